"""LoRAs in the parameters of pictures, as web UIs write them, and read back from there."""

from dataclasses import replace

import lora_files
import pytest
from sample_picture import make_picture

from gpustack_draw.pictures.lora_parameters import (
    changed_loras,
    dropped_tags,
    read_pairs,
)
from gpustack_draw.pictures.parameters import parameters_text
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.pictures.read_parameters import Parameters, read_parameters
from gpustack_draw.request.loras import Lora, LoraSettings

STYLE = replace(lora_files.STYLE, reference="/home/me/style.safetensors")
LCM = replace(
    STYLE,
    name="lcm-lora",
    reference="hf.co/acme/lcm-lora@v1:a, b.safetensors",
    weight=1.0,
    hash="ba9876543210",
)


def drawn(prompt: str, *loras: LoraSettings) -> Picture:
    return make_picture(prompt=prompt, loras=loras)


def read(picture: Picture) -> Parameters:
    return read_parameters(picture.to_image())


def test_the_text_is_that_of_web_uis() -> None:
    text = parameters_text(drawn("a cat", STYLE, LCM))
    assert text.startswith("a cat <lora:style:0.8> <lora:lcm-lora:1>\n")
    assert ', Lora hashes: "style: 0123456789ab, lcm-lora: ba9876543210"' in text
    assert ', Lora references: "lcm-lora: hf.co/acme/lcm-lora@v1:a, b.safetensors"' in text
    assert "/home/me" not in text


def test_a_tag_stays_where_it_is() -> None:
    tagged = replace(STYLE, tag_weight=0.8)
    prompt = "a <lora:style:0.8> cat"
    assert parameters_text(drawn(prompt, tagged)).startswith(f"{prompt}\n")
    # An option adds to the weight of the tag.
    more = replace(STYLE, weight=1.0, tag_weight=0.8)
    assert parameters_text(drawn(prompt, more)).startswith(f"{prompt} <lora:style:0.2>\n")


def test_without_loras_nothing_is_written() -> None:
    text = parameters_text(drawn("a cat"))
    assert text.startswith("a cat\n")
    assert "Lora" not in text


def test_a_picture_is_drawn_again_with_the_same_loras() -> None:
    found = read(drawn("a cat", STYLE, LCM))
    request = found.request()
    assert request.prompt == "a cat <lora:style:0.8> <lora:lcm-lora:1>"
    # The file of the other one is not recorded; the tags set the weights.
    assert request.loras == (Lora("hf.co/acme/lcm-lora@v1:a, b.safetensors"),)
    assert found.request(loras=["style.safetensors"]).loras == (
        Lora("style.safetensors"),
        Lora("hf.co/acme/lcm-lora@v1:a, b.safetensors"),
    )
    assert read(drawn("a cat")).request().loras is None


def test_a_named_lora_replaces_the_recorded_one() -> None:
    simple = replace(LCM, reference="hf.co/acme/lcm-lora:lcm-lora.safetensors")
    found = read(drawn("a cat", simple))
    for reference in ("loras/LCM-LoRA.safetensors", r"C:\lcm-lora.pt", "hf.co/o/r:lcm-lora"):
        assert found.request(loras=[reference]).loras == (Lora(reference),)


@pytest.mark.parametrize("reference", ["/etc/passwd", "x.safetensors", "demo", "file:///x", ""])
def test_a_file_of_this_machine_is_never_read_from_a_picture(reference: str) -> None:
    picture = drawn("a cat", LCM)
    text = parameters_text(picture).replace("hf.co/acme/lcm-lora@v1:a, b.safetensors", reference)
    image = picture.to_image()
    image.info["parameters"] = text
    assert read_parameters(image).request().loras is None


def test_another_prompt_replaces_the_tags() -> None:
    recorded = "a cat <lora:x:0.8>, red <lora:y:1>"
    assert dropped_tags("a dog", recorded) == ("<lora:x:0.8>", "<lora:y:1>")
    assert dropped_tags("a dog <lora:z:1>", recorded) == ()
    assert dropped_tags(recorded, recorded) == ()
    assert dropped_tags("a dog", "a cat") == ()
    assert dropped_tags("a dog", "<lora:x:99>") == ()
    request = read(drawn("a cat", LCM)).request(prompt="a dog")
    assert (request.prompt, request.loras) == ("a dog", None)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("x: 0a1b, y z: 2c3d", {"x": "0a1b", "y z": "2c3d"}),
        (
            "x: hf.co/a/b:c, d.pt, y: hf.co/a/b:e: f",
            {"x": "hf.co/a/b:c, d.pt", "y": "hf.co/a/b:e: f"},
        ),
        ("", {"": ""}),
        ("x", {"x": ""}),
        ("," * 50_000 + " " * 50_000, {"," * 50_000: ""}),
    ],
)
def test_pairs_are_read(text: str, pairs: dict[str, str]) -> None:
    assert read_pairs(text) == pairs


def test_another_file_is_noticed_by_its_hash() -> None:
    def changed(hashes: str) -> list[str]:
        return list(changed_loras({"Lora hashes": hashes}, [STYLE, LCM]))

    assert changed("Style: 0123456789AB, lcm-lora: ba9876543210") == []
    assert changed("style: 01234567") == []  # SD.Next writes fewer digits
    assert changed("style: 11234567, other: 1") == ["style"]
    assert changed("") == []
