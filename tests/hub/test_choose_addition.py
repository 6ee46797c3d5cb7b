"""Choosing the file of an addition in a repository by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.errors import ModelNotFoundError
from gpustack_draw.hub.choose_addition import choose_addition
from gpustack_draw.request.additions import CONTROL_NET, EMBEDDING, LORA, UPSCALER, Addition

# File names of publishers.
LCM = ["README.md", "image.png", "pytorch_lora_weights.safetensors"]
TRAINED = ["checkpoint-500/pytorch_lora_weights.safetensors", *LCM]
LIGHTNING = [
    "comfyui/sdxl_lightning_workflow_full.json",
    "sdxl_lightning_2step_lora.safetensors",
    "sdxl_lightning_2step_unet.safetensors",
    "sdxl_lightning_4step.safetensors",
    "sdxl_lightning_4step_lora.safetensors",
]
HYPER = [
    "Hyper-SDXL-2steps-lora.safetensors",
    "Hyper-SDXL-12steps-CFG-lora.safetensors",
    "Hyper-SD15-2steps-lora.safetensors",
]
NETS = [
    "control_v11p_sd15_canny.pth",
    "control_v11p_sd15_canny.yaml",
    "control_v11f1p_sd15_depth.pth",
    "control_v11p_sd15_lineart.pth",
    "control_v11p_sd15s2_lineart_anime.pth",
]
UPSCALERS = ["RealESRGAN_x4plus.pth", "RealESRGAN_x4plus.safetensors", "4x-UltraSharp.pth"]


@pytest.mark.parametrize(
    ("paths", "tag", "addition", "expected"),
    [
        (LCM, "", LORA, "pytorch_lora_weights.safetensors"),
        (TRAINED, "", LORA, "pytorch_lora_weights.safetensors"),
        (["notes.txt", "style.safetensors", "style.ckpt", "a.ckpt"], "", LORA, "style.safetensors"),
        (["sub/style.SAFETENSORS"], "", LORA, "sub/style.SAFETENSORS"),
        (["style.pt"], "", LORA, "style.pt"),
        (LIGHTNING, "sdxl_lightning_4step_lora.safetensors", LORA, LIGHTNING[4]),
        (LIGHTNING, "SDXL_lightning_4step_LoRA", LORA, LIGHTNING[4]),
        # The stem of one file goes before a part of another.
        (LIGHTNING, "sdxl_lightning_4step", LORA, LIGHTNING[3]),
        (LIGHTNING, "2step_lora", LORA, LIGHTNING[1]),
        # A whole word goes before a part of one.
        (HYPER, "SDXL-2steps", LORA, HYPER[0]),
        (HYPER, "CFG", LORA, HYPER[1]),
        (TRAINED, "checkpoint-500", LORA, TRAINED[0]),
        (["A.safetensors", "a.safetensors"], "a.safetensors", LORA, "a.safetensors"),
        (["A.safetensors", "a.safetensors"], "A.safetensors", LORA, "A.safetensors"),
        (NETS, "canny", CONTROL_NET, "control_v11p_sd15_canny.pth"),
        (NETS, "depth", CONTROL_NET, "control_v11f1p_sd15_depth.pth"),
        (
            ["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"],
            "",
            CONTROL_NET,
            "diffusion_pytorch_model.safetensors",
        ),
        (UPSCALERS, "RealESRGAN_x4plus", UPSCALER, "RealESRGAN_x4plus.safetensors"),
        (UPSCALERS, "x4plus", UPSCALER, "RealESRGAN_x4plus.safetensors"),
        (UPSCALERS, "RealESRGAN_x4plus.pth", UPSCALER, "RealESRGAN_x4plus.pth"),
        (UPSCALERS, "ultra", UPSCALER, "4x-UltraSharp.pth"),
        (UPSCALERS, "", UPSCALER, "RealESRGAN_x4plus.safetensors"),
        (["learned_embeds.bin", "other.bin"], "", EMBEDDING, "learned_embeds.bin"),
    ],
)
def test_a_tag_names_one_file(
    paths: list[str], tag: str, addition: Addition, expected: str
) -> None:
    assert choose_addition(paths, tag, addition, repository="acme/extra") == expected


@pytest.mark.parametrize(
    ("paths", "tag", "addition", "message", "hint"),
    [
        (
            LIGHTNING,
            "",
            LORA,
            (
                "hf.co/acme/extra has 4 files that can be a LoRA:"
                " sdxl_lightning_2step_lora.safetensors, sdxl_lightning_2step_unet.safetensors,"
                " sdxl_lightning_4step.safetensors, sdxl_lightning_4step_lora.safetensors"
            ),
            "name one: hf.co/acme/extra:sdxl_lightning_2step_lora.safetensors",
        ),
        (
            HYPER,
            "2steps",
            LORA,
            (
                "'2steps' fits 2 files of hf.co/acme/extra: Hyper-SDXL-2steps-lora.safetensors,"
                " Hyper-SD15-2steps-lora.safetensors"
            ),
            "write the name: hf.co/acme/extra:Hyper-SDXL-2steps-lora.safetensors",
        ),
        (
            NETS,
            "lineart",
            CONTROL_NET,
            (
                "'lineart' fits 2 files of hf.co/acme/extra: control_v11p_sd15_lineart.pth,"
                " control_v11p_sd15s2_lineart_anime.pth"
            ),
            "write the name: hf.co/acme/extra:control_v11p_sd15_lineart.pth",
        ),
        (
            NETS,
            "scribble",
            CONTROL_NET,
            (
                "hf.co/acme/extra has no file 'scribble' that can be a ControlNet; it has"
                " control_v11p_sd15s2_lineart_anime.pth, control_v11p_sd15_canny.pth,"
                " control_v11f1p_sd15_depth.pth, control_v11p_sd15_lineart.pth"
            ),
            "for example hf.co/acme/extra:control_v11p_sd15s2_lineart_anime.pth",
        ),
        (
            NETS,
            "control_v11p_sd15_canny.yaml",
            CONTROL_NET,
            (
                "hf.co/acme/extra has no file 'control_v11p_sd15_canny.yaml' that can be a"
                " ControlNet; it has control_v11p_sd15_canny.pth, control_v11p_sd15_lineart.pth,"
                " control_v11f1p_sd15_depth.pth, control_v11p_sd15s2_lineart_anime.pth"
            ),
            "for example hf.co/acme/extra:control_v11p_sd15_canny.pth",
        ),
        (
            ["README.md", "workflow.json"],
            "",
            EMBEDDING,
            (
                "hf.co/acme/extra has no file that can be an embedding"
                " (.safetensors, .pt, .pth, .ckpt, .bin)"
            ),
            "see hf.co/acme/extra",
        ),
    ],
)
def test_a_tag_that_names_no_file_or_several(
    paths: list[str], tag: str, addition: Addition, message: str, hint: str
) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        choose_addition(paths, tag, addition, repository="acme/extra")
    assert (caught.value.message, caught.value.hint) == (message, hint)


names = st.from_regex(r"[A-Za-z0-9._/ -]{1,20}(\.gguf|\.safetensors|\.pth|)", fullmatch=True)


@given(st.lists(names, max_size=8), st.text(max_size=10))
def test_any_tag_names_a_file_or_is_an_error(paths: list[str], tag: str) -> None:
    try:
        path = choose_addition(paths, tag, UPSCALER, repository="acme/extra")
    except ModelNotFoundError:
        return
    assert path in paths
