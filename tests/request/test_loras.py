"""The LoRAs of a request: references, weights, and tags in the prompt."""

from pathlib import Path

import pytest

from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.lora_tags import (
    LoraTag,
    check_negative_prompt,
    split_lora_tags,
    without_lora_tags,
)
from gpustack_draw.request.loras import Lora, parse_lora, read_loras

HINT = "for example hf.co/OWNER/REPO:FILE or style.safetensors:0.8"
WEIGHT_HINT = "for example 0.8; 1 is the full effect, and a negative weight is the opposite"
TAG_HINT = "write <lora:NAME:WEIGHT>, for example <lora:style:0.8>"


@pytest.mark.parametrize(
    ("text", "reference", "weight"),
    [
        ("style.safetensors", "style.safetensors", None),
        ("style.safetensors:0.8", "style.safetensors", 0.8),
        ("style.safetensors:-1", "style.safetensors", -1),
        ("style:+.5", "style", 0.5),
        ("hf.co/a/b", "hf.co/a/b", None),
        ("hf.co/a/b:1", "hf.co/a/b", 1),
        ("hf.co/a/b:style", "hf.co/a/b:style", None),
        ("hf.co/a/b@v2:style:0.25", "hf.co/a/b@v2:style", 0.25),
        ("hf.co/a/b:4step", "hf.co/a/b:4step", None),
        # A tag that is a number needs a weight after it.
        ("hf.co/a/b:4:1", "hf.co/a/b:4", 1),
        (r"C:\loras\style.safetensors", r"C:\loras\style.safetensors", None),
        (r"C:\loras\style.safetensors:0.8", r"C:\loras\style.safetensors", 0.8),
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b", None),
        ("a\nb:2", "a\nb", 2),
    ],
)
def test_a_weight_is_split_off_at_the_last_colon(
    text: str, reference: str, weight: float | None
) -> None:
    assert parse_lora(text) == Lora(reference, weight)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a:0.5", [Lora("a", 0.5)]),
        (Path("a:0.5"), [Lora("a:0.5")]),
        (("a:0.5", 2), [Lora("a:0.5", 2.0)]),
        (["a", ("b", 0.5), Lora("c", -1)], [Lora("a"), Lora("b", 0.5), Lora("c", -1.0)]),
        (("a", "b:2"), [Lora("a"), Lora("b", 2.0)]),
        ([["a", 0.5]], [Lora("a", 0.5)]),
        ([("a", None)], [Lora("a")]),
        ((), []),
    ],
)
def test_loras_are_texts_paths_pairs_or_records(value: object, expected: list[Lora]) -> None:
    assert read_loras(value) == tuple(expected)
    assert DrawRequest(prompt="", loras=value).loras == tuple(expected)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("a:5", "'5' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ("a:-4.01", "'-4.01' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ("a:nan", "'nan' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ("a:1e9", "'1e9' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ("a:1.2.3", "'1.2.3' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ([("a", float("nan"))], "nan is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ([("a", True)], "True is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ([("a", "x")], "'x' is not a LoRA weight from -4 to 4", WEIGHT_HINT),
        ("", "the reference of a LoRA is empty: ''", HINT),
        (" :1", "the reference of a LoRA is empty: ''", HINT),
        ([3], "3 is not a LoRA: it is int, not text or a path", HINT),
        ([("a", 1, 2)], "('a', 1, 2) is not a pair of a reference and a weight", HINT),
        ([(3, 1)], "3 is not a LoRA: it is int, not text or a path", HINT),
    ],
)
def test_a_wrong_lora_is_refused(value: object, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="", loras=value)
    error = caught.value
    assert (error.message, error.hint, error.argument) == (message, hint, "loras")


def test_the_folder_is_text_or_a_path() -> None:
    assert DrawRequest(prompt="", lora_dir=Path("loras")).lora_dir == "loras"
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="", lora_dir=3)
    assert caught.value.message == "lora_dir is int, not text or a path: 3"
    assert caught.value.argument == "lora_dir"


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("a cat", "a cat", []),
        ("  a  cat ", "  a  cat ", []),
        ("a cat <lora:x:0.8>", "a cat", [("x", 0.8)]),
        ("<lora:x> a cat", "a cat", [("x", 1.0)]),
        ("a <lora:x:1> cat, <LORA: y z :-0.5>red", "a cat,red", [("x", 1.0), ("y z", -0.5)]),
        ("a cat <lora:x:1>, red", "a cat, red", [("x", 1.0)]),
        ("(a cat <lora:x:1>:1.2)", "(a cat:1.2)", [("x", 1.0)]),
        ("<lyco:x:2>", "", [("x", 2.0)]),
        ("<lora:x:0.5:0.5>", "", [("x", 0.5)]),
        ("<lora:x:te=0.5>", "", [("x", 0.5)]),
        ("<lora:x:unet=0.5:te=0.5>", "", [("x", 0.5)]),
        ("a\n<lora:x:1>\nb", "a\n\nb", [("x", 1.0)]),
        ("<hypernet:x:1> 1 < 2 > 1 <lora>", "<hypernet:x:1> 1 < 2 > 1 <lora>", []),
    ],
)
def test_tags_are_separated_from_the_text(
    prompt: str, text: str, tags: list[tuple[str, float]]
) -> None:
    split = split_lora_tags(prompt)
    assert split.text == without_lora_tags(prompt) == text
    assert [(tag.name, tag.weight) for tag in split.tags] == tags


def test_a_tag_keeps_its_text() -> None:
    assert split_lora_tags("<LoRA:x:1>").tags == (LoraTag("<LoRA:x:1>", "x", 1.0),)


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        ("<lora:x:5>", "'<lora:x:5>' of the prompt has the weight '5', not a number from -4 to 4"),
        ("<lora:x:>", "'<lora:x:>' of the prompt has the weight '', not a number from -4 to 4"),
        ("<lora:x:a>", "'<lora:x:a>' of the prompt has the weight 'a', not a number from -4 to 4"),
        ("<lora::1>", "'<lora::1>' of the prompt has no name"),
        ("<lora: >", "'<lora: >' of the prompt has no name"),
        ("a <lora:x:1 cat", "'<lora:x:1 cat' of the prompt has no closing >"),
        (
            "<lora:x:1:0.5>",
            (
                "'<lora:x:1:0.5>' of the prompt has two weights, but the engine applies one to the"
                " whole model"
            ),
        ),
        (
            "<lora:x:unet=0.5>",
            (
                "'<lora:x:unet=0.5>' of the prompt has two weights, but the engine applies one to"
                " the whole model"
            ),
        ),
        (
            "<lora:x:1:1:64>",
            "'<lora:x:1:1:64>' of the prompt has '64', which this version does not read",
        ),
        (
            "<lora:x:1:lbw=FACE>",
            "'<lora:x:1:lbw=FACE>' of the prompt has 'lbw=FACE', which this version does not read",
        ),
    ],
)
def test_a_wrong_tag_is_refused(prompt: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_lora_tags(prompt)
    error = caught.value
    assert (error.message, error.hint) == (f"the LoRA {problem}", TAG_HINT)
    assert error.argument == "prompt"


def test_the_negative_prompt_names_no_lora() -> None:
    check_negative_prompt("blurry, <hypernet:x:1>")
    with pytest.raises(UsageError) as caught:
        check_negative_prompt("blurry <lora:x:1>")
    assert caught.value.message == (
        "the negative prompt has the LoRA '<lora:x:1>', but a LoRA changes the whole picture"
    )
    assert caught.value.hint == "move it to the prompt; a negative weight turns its effect around"
    assert caught.value.argument == "negative_prompt"
