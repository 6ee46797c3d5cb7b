"""Pictures of programs with forms of their own: read through sd-parsers, or refused by name."""

import copy
import json
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from known_values import known_values
from PIL import Image, PngImagePlugin
from run_python import run_python
from sd_parsers import parsers
from stand_in_model import StandIn, install_stand_in

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError

BY_HAND = "type its prompt and settings yourself, such as seed=N"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    return install_stand_in(monkeypatch, tmp_path)


def write_png(path: Path, texts: dict[str, Any]) -> Path:
    chunks = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        chunks.add_itxt(name, text if isinstance(text, str) else json.dumps(text))
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


def write_exif(path: Path, kind: str, fields: dict[int, str], directory: int = 0x8769) -> Path:
    exif = Image.Exif()
    place = exif.get_ifd(directory) if directory else exif
    for tag, text in fields.items():
        place[tag] = b"UNICODE\0" + text.encode("utf-16-be") if tag == 0x9286 else text
    Image.new("RGB", (8, 8)).save(path, format=kind, exif=exif.tobytes())
    return path


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


SAMPLER = {
    "seed": 7, "steps": 20, "cfg": 4.5, "sampler_name": "dpmpp_2m", "scheduler": "karras",
    "denoise": 1.0, "model": ["lora", 0], "latent_image": ["latent", 0],
}  # fmt: skip
GRAPH = {
    "sampler": node("KSampler", **SAMPLER, positive=["+", 0], negative=["-", 0]),
    "lora": node("LoraLoader", lora_name="ink", strength_model=0.7, model=["model", 0]),
    "model": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
    "latent": node("EmptyLatentImage", width=640, height=512, batch_size=1),
    "+": node("CLIPTextEncode", text="a cat", clip=["model", 1]),
    "-": node("CLIPTextEncode", text="ugly", clip=["model", 1]),
}


def graph(**nodes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(GRAPH), **nodes}


def ends(positive: list[Any], negative: list[Any], **changes: Any) -> dict[str, Any]:
    return node("KSampler", **{**SAMPLER, **changes}, positive=positive, negative=negative)


def read(path: Path) -> dict[str, Any]:
    found = gpustack_draw.read_parameters(path)
    return known_values({**vars(found), "text": None})


COMFYUI = {
    "prompt": "a cat",
    "negative_prompt": "ugly",
    "model": "dream.safetensors",
    "reference": "",
    "size": (640, 512),
    "sampler": "dpm++2m",
    "scheduler": "karras",
    "sample_steps": 20,
    "cfg_scale": 4.5,
    "seed": 7,
    "user_components": (),
    "program": "ComfyUI",
    "extra": {"LoraLoader": '[{"id": "lora", "lora_name": "ink", "strength_model": 0.7}]'},
}


# --- ComfyUI --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "workflow", [None, {"nodes": []}, {"links": [{"id": 1, "origin_id": 4}]}, "not JSON"]
)
def test_comfyui_with_and_without_a_workflow(tmp_path: Path, workflow: Any) -> None:
    texts = {"prompt": GRAPH} if workflow is None else {"prompt": GRAPH, "workflow": workflow}
    assert read(write_png(tmp_path / "cat.png", texts)) == COMFYUI


def test_comfyui_in_webp(tmp_path: Path) -> None:
    fields = {0x0110: f"prompt:{json.dumps(GRAPH)}", 0x010F: 'workflow:{"nodes": []}'}
    assert read(write_exif(tmp_path / "cat", "WEBP", fields, directory=0)) == COMFYUI


@pytest.mark.parametrize(
    ("nodes", "changes"),
    [
        (
            {
                "sampler": ends(["control", 0], ["control", 1]),
                "control": node("ControlNetApply", positive=["more", 0], negative=["more", 1]),
                "more": node("ControlNetApply", positive=["+", 0], negative=["-", 0]),
            },
            {},
        ),
        (
            {
                "sampler": ends(["both", 0], ["-", 0]),
                "both": node("ConditioningCombine", first=["+", 0], second=["2", 0]),
                "2": node("CLIPTextEncode", text="at sea", clip=["model", 1]),
            },
            {"prompt": "a cat, at sea"},
        ),
        (
            {
                "sampler": ends(["+", 0], ["-", 0], model=["model", 0]),
                "model": node("UnetLoaderGGUF", unet_name="flux1-dev-Q4_0.gguf"),
            },
            {"model": "flux1-dev-Q4_0.gguf"},
        ),
        (
            {"hires": ends(["+", 0], ["-", 0], denoise=0.5, sampler_name="euler", steps=9)},
            {"extra": {**COMFYUI["extra"], "Further samplers": "euler"}},
        ),
        (
            {"sampler": ends(["+", 0], ["-", 0], sampler_name="uni_pc", scheduler="beta")},
            {"sampler": "uni_pc", "scheduler": "beta"},
        ),
        (
            {"sampler": ends(["+", 0], ["-", 0], seed=2**64 - 1)},
            {"seed": None, "extra": {**COMFYUI["extra"], "Seed": "18446744073709551615"}},
        ),
        (
            {"sampler": ends(["+", 0], ["-", 0], seed=["elsewhere", 0])},
            {"seed": None},
        ),
    ],
    ids=["ControlNet", "combined", "GGUF", "two samplers", "lacking", "large seed", "linked seed"],
)  # fmt: skip
def test_graphs_of_comfyui(tmp_path: Path, nodes: Any, changes: dict[str, Any]) -> None:
    found = read(write_png(tmp_path / "cat.png", {"prompt": graph(**nodes)}))
    assert found == known_values({**COMFYUI, **changes})


@pytest.mark.parametrize(
    "nodes",
    [
        {"+": node("CLIPTextEncode", text=["elsewhere", 0], clip=["model", 1])},
        {"+": node("CLIPTextEncode", text=7)},
        {"sampler": node("SamplerCustom", noise_seed=7)},
        {"sampler": ends(["both", 0], ["both", 0]), "both": node("Any", a=["+", 0], b=["-", 0])},
        {
            "sampler": ends(["a", 0], ["a", 1]),
            "a": node("Any", positive=["a", 0], negative=["a", 1]),
        },
    ],
    ids=["no text", "a number", "no sampler", "one for the other", "a circle"],
)
def test_a_graph_whose_prompt_is_ambiguous_is_refused(tmp_path: Path, nodes: Any) -> None:
    path = write_png(tmp_path / "cat.png", {"prompt": graph(**nodes)})
    assert refusal(path) == (
        f"'{path}' was written by ComfyUI, in a form that is not supported", BY_HAND
    )  # fmt: skip


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        gpustack_draw.read_parameters(path)
    return caught.value.message, caught.value.hint


# --- other programs -------------------------------------------------------------------------------

INVOKEAI = {
    "positive_prompt": "a cat", "negative_prompt": "ugly", "width": 640, "height": 512, "seed": 7,
    "cfg_scale": 4.5, "steps": 20, "scheduler": "dpmpp_2m_k", "app_version": "5.4.2",
    "model": {"model_name": "dream", "base": "sdxl"},
}  # fmt: skip
NOVELAI = {
    "Software": "NovelAI",
    "Source": "Stable Diffusion 1D44365E",
    "Description": "a cat",
    "Comment": {
        "steps": 20, "sampler": "k_dpmpp_2m", "noise_schedule": "karras", "seed": 7, "scale": 4.5,
        "uc": "ugly", "width": 640, "height": 512,
    },
}  # fmt: skip
FOOOCUS = {
    "base_model": "dream", "base_model_hash": "0a1b", "guidance_scale": 4.5, "prompt": "a cat",
    "negative_prompt": "ugly", "resolution": "(640, 512)", "sampler": "dpmpp_2m", "seed": "7",
    "scheduler": "karras", "steps": 20, "version": "Fooocus v2.5.0",
}  # fmt: skip
OTHERS = {**COMFYUI, "model": "dream", "extra": {}}


def test_invokeai(tmp_path: Path) -> None:
    path = write_png(tmp_path / "cat.png", {"invokeai_metadata": INVOKEAI, "invokeai_graph": "{}"})
    version = {"program": "InvokeAI 5.4.2", "extra": {"base": "sdxl", "Version": "5.4.2"}}
    assert read(path) == {**OTHERS, **version}


@pytest.mark.parametrize(
    "texts",
    [
        {"Dream": '"a cat [ugly]" -s 20 -S 7 -W 640 -H 512 -C 4.5 -A k_dpmpp_2m'},
        {
            "sd-metadata": {
                "model_weights": "dream",
                "image": {
                    "prompt": [{"prompt": "a cat [ugly]", "weight": 1}], "sampler": "k_dpmpp_2m",
                    "steps": 20, "cfg_scale": 4.5, "seed": 7, "width": 640, "height": 512,
                },
            }
        },
    ],
    ids=["Dream", "sd-metadata"],
)  # fmt: skip
def test_old_pictures_of_invokeai(tmp_path: Path, texts: dict[str, Any]) -> None:
    found = read(write_png(tmp_path / "cat.png", texts))
    model = "" if "Dream" in texts else "dream"
    assert found == {**OTHERS, "program": "InvokeAI", "scheduler": "", "model": model}


def test_novelai(tmp_path: Path) -> None:
    found = read(write_png(tmp_path / "cat.png", NOVELAI))
    assert found == {**OTHERS, "program": "NovelAI", "model": "Stable Diffusion"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_fooocus(tmp_path: Path, kind: str) -> None:
    path, text = tmp_path / "cat", json.dumps(FOOOCUS)
    if kind == "PNG":
        write_png(tmp_path / "cat.png", {"parameters": text}).rename(path)
    else:
        write_exif(path, kind, {0x9286: text})
    others = {"Version": "Fooocus v2.5.0"}
    assert read(path) == {**OTHERS, "program": "Fooocus v2.5.0", "extra": others}


@pytest.mark.parametrize(
    ("program", "texts"),
    [
        (
            "SwarmUI",
            {"parameters": {"sui_image_params": {"prompt": "Steps: 1, Seed: 2, Size: 3x3"}}},
        ),
        ("Easy Diffusion", {"prompt": "a cat", "num_inference_steps": "20", "seed": "7"}),
        ("Easy Diffusion", {"parameters": {"prompt": "a cat", "num_inference_steps": 20}}),
        ("mflux", {"Comment": {"mflux_version": "0.9", "prompt": "a cat"}}),
        ("Draw Things", {"XML:com.adobe.xmp": f"<a>{json.dumps({'c': 1, 'uc': 2, 'v2': 3})}</a>"}),
        ("ComfyUI", {"workflow": {"nodes": []}}),
        ("InvokeAI", {"invokeai_graph": {}}),
    ],
)
def test_a_program_whose_pictures_are_not_read_is_named(
    tmp_path: Path, program: str, texts: dict[str, Any]
) -> None:
    path = write_png(tmp_path / "cat.png", texts)
    message, hint = refusal(path)
    assert message.startswith(f"'{path}' was written by {program}, ")
    assert message.endswith(" not supported")
    assert hint == BY_HAND


def test_swarmui_in_a_user_comment(tmp_path: Path) -> None:
    path = write_exif(tmp_path / "cat", "JPEG", {0x9286: '{"sui_image_params": {}}'})
    assert refusal(path) == (
        f"'{path}' was written by SwarmUI, whose pictures are not supported", BY_HAND
    )  # fmt: skip


# --- sd-parsers is an extra, and not trusted ------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "texts"),
    [
        ("ComfyUI", {"prompt": GRAPH}),
        ("InvokeAI", {"invokeai_metadata": INVOKEAI}),
        ("NovelAI", NOVELAI),
        ("Fooocus", {"parameters": FOOOCUS}),
    ],
)
def test_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, texts: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "sd_parsers", None)
    path = write_png(tmp_path / "cat.png", texts)
    assert refusal(path) == (
        f"'{path}' was written by {program}, whose pictures need the package sd-parsers",
        "install it: pip install 'gpustack-draw[pictures]'",
    )


def test_sd_parsers_is_not_imported_for_pictures_that_need_it_not(tmp_path: Path) -> None:
    pictures = Path(__file__).parent / "cases"
    output = run_python(
        """
        import sys
        from pathlib import Path
        import gpustack_draw
        gpustack_draw.read_parameters(Path(sys.argv[1]) / "a1111_plain.png")
        print(sorted(sys.modules.keys() & {"sd_parsers", "PIL"}))
        gpustack_draw.read_parameters(Path(sys.argv[1]) / "comfyui.png")
        print("sd_parsers" in sys.modules)
        """,
        str(pictures),
    )
    assert output.split() == ["[]", "True"]


def sampler(**changes: Any) -> SimpleNamespace:
    prompt = SimpleNamespace(value="a cat", prompt_id=None)
    values = {"name": "euler", "parameters": {}, "prompts": [prompt], "negative_prompts": []}
    return SimpleNamespace(**{**values, "model": None, **changes})


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        SimpleNamespace(samplers=None, metadata={}),
        SimpleNamespace(samplers=[], metadata={}),
        SimpleNamespace(samplers=[sampler()], metadata=7),
        SimpleNamespace(samplers=[sampler(parameters=None)], metadata={}),
        SimpleNamespace(samplers=[sampler(prompts=[SimpleNamespace(value=7)])], metadata={}),
        SimpleNamespace(samplers=[sampler(name=object())], metadata={}),
        SimpleNamespace(samplers=[sampler()], metadata={"latent": [7]}),
        RecursionError(),
        MemoryError(),
        KeyError("x"),
    ],
)
def test_odd_results_of_sd_parsers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: Any
) -> None:
    def parse(*_: object) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(parsers.ComfyUIParser, "parse", parse)
    path = write_png(tmp_path / "cat.png", {"prompt": GRAPH})
    assert refusal(path)[0] == f"'{path}' was written by ComfyUI, in a form that is not supported"


@pytest.mark.parametrize(
    "texts",
    [
        {"Dream": '"a cat"' + " " * 900_000 + "x"},
        {"Dream": '"' + "[" * 900_000},
        {**NOVELAI, "Source": "a" + " " * 900_000 + "b"},
        {"prompt": '{"a": ' * 100_000},
        {"prompt": graph(**{f"n{i}": node("A", text=[f"n{i + 1}", 0]) for i in range(5_000)},
                         **{"+": node("A", a=["n0", 0])})},
    ],
    ids=["blanks", "brackets", "blanks of NovelAI", "nested", "a long chain"],
)  # fmt: skip
def test_a_hostile_text_takes_no_longer_than_others(tmp_path: Path, texts: dict[str, Any]) -> None:
    """Some of these would take hours in the patterns of sd-parsers, or end its recursion."""
    with suppress(UsageError):
        gpustack_draw.read_parameters(write_png(tmp_path / "cat.png", texts))


# --- the command ----------------------------------------------------------------------------------


def test_the_command_names_the_program(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(Path("cat.png"), {"prompt": GRAPH})
    assert main(["show", "cat.png"]) == 0
    assert "\nprogram:         ComfyUI\nloraloader:      [{" in capsys.readouterr().out
    assert main(["show", "cat.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["program"] == "ComfyUI"
    assert main(["demo", "--from", "cat.png"]) == 0
    assert capsys.readouterr().err.startswith(
        "gpustack-draw: 'cat.png' was written by ComfyUI; the drawing ignores LoraLoader\n"
    )
    (request,) = stand_in.requests
    assert (request.prompt, request.sampler, request.scheduler) == ("a cat", "dpm++2m", "karras")


def test_names_of_a_strangers_values_send_the_terminal_no_orders(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = {**INVOKEAI, "app_version": "\x1b[2J5", "\x1b]0;title\x07": "\x9b2J"}
    write_png(Path("cat.png"), {"invokeai_metadata": metadata})
    assert main(["show", "cat.png"]) == 0
    assert main(["demo", "--from", "cat.png"]) == 0
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert "\x9b" not in output.out + output.err
