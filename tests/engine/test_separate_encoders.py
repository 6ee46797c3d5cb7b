"""UNets in separate files draw the same pictures as in one file with encoders and VAE."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import CLIP_G, CLIP_L, Named, clip, sd1_unet, sdxl_unet, unet, vae, vega_unet
from hub_steps import use_no_hub
from model_files import prefixed, write_sparse_gguf
from random_model_files import (
    weights,
    write_gguf,
    write_rearranged_gguf,
    write_safetensors,
)

import gpustack_draw
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.memory.available import available_memory

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
SD_VAE = vae(latent=4, quant=True)
SETTINGS: dict[str, Any] = {
    "size": (64, 64),
    "sample_steps": 1,
    "scheduler": "discrete",
    "seed": 3,
    "cfg_scale": 1.0,
}


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_no_hub(monkeypatch, tmp_path)


def draw(model: Path, *prompts: str, **components: Path) -> np.ndarray:
    with gpustack_draw.load(model, device="auto", threads=2, **components) as loaded:
        return np.stack(
            [np.asarray(loaded.generate(prompt, **SETTINGS)) for prompt in prompts or ["a cat"]]
        )


def draw_whole(model: Path, **components: Path) -> np.ndarray:
    """Draw with a whole model, and check that the prompt has an effect."""
    cat, dog = draw(model, "a cat", "a dog", **components)
    assert (cat != dog).any()
    assert cat.std() > 5  # not blank
    return cat


def need_memory(gigabytes: float) -> None:
    available = available_memory()
    if available is not None and available < gigabytes * 1e9:
        pytest.skip(f"needs {gigabytes} GB of memory")


def test_sd1_with_diffusers_names_and_components_in_comfyui_folders(tmp_path: Path) -> None:
    need_memory(2.5)
    network, encoder = sd1_unet(), clip(768, 12, weight_type="F16")
    whole = {
        **weights(network, prefix=UNET),
        **weights(encoder, prefix="cond_stage_model.transformer."),
        **weights(SD_VAE, prefix=VAE),
    }
    expected = draw_whole(write_gguf(tmp_path / "sd15.gguf", whole))
    (tmp_path / "sd15.gguf").unlink()
    models = tmp_path / "models"
    names = {name: diffusers_name(name) for name in network}
    assert len(set(names.values())) == len(network)
    alone = {names[name]: of for name, of in weights(network).items()}
    model = write_safetensors(models / "unet" / "sd15.safetensors", alone)
    write_safetensors(models / "clip" / "clip_l.safetensors", weights(encoder))
    write_safetensors(models / "vae" / "vae-ft-mse.safetensors", weights(SD_VAE))
    assert (draw(model) == expected).all()


def test_sd2_in_rows_of_256_numbers_with_openclip_names(tmp_path: Path) -> None:
    need_memory(2.3)
    network = unet(context=1024, linear=True, weight_type="Q4_0")
    encoder = open_clip(1024, 23)
    whole = {
        **weights(network, prefix=UNET),
        **weights(encoder, prefix="cond_stage_model.model."),
        **weights(SD_VAE, prefix=VAE),
    }
    expected = draw_whole(write_gguf(tmp_path / "sd21.gguf", whole))
    (tmp_path / "sd21.gguf").unlink()
    model = write_rearranged_gguf(tmp_path / "sd21.gguf", weights(network))
    components = {
        "clip_l": write_safetensors(tmp_path / "open_clip_h.safetensors", weights(encoder)),
        "vae": write_safetensors(tmp_path / "vae.safetensors", weights(SD_VAE)),
    }
    assert (draw(model, **components) == expected).all()


def test_smallest_variant_of_sdxl(tmp_path: Path) -> None:
    need_memory(2)
    network = vega_unet()
    # A separate file in both cases: the library scales the VAE in a checkpoint of SDXL.
    decoder = write_safetensors(tmp_path / "xl_vae.safetensors", weights(SD_VAE))
    whole = {
        **weights(network, prefix=UNET),
        **weights(CLIP_L, prefix="conditioner.embedders.0.transformer."),
        **weights(CLIP_G, prefix="cond_stage_model.1.transformer."),
    }
    # OpenCLIP stores the transpose of this matrix.
    projection = whole.pop("cond_stage_model.1.transformer.text_model.text_projection")
    whole["cond_stage_model.1.model.text_projection"] = replace(projection, transposed=True)
    expected = draw_whole(write_gguf(tmp_path / "vega.gguf", whole), vae=decoder)
    model = write_gguf(tmp_path / "vega.gguf", weights(network))
    components = {
        "clip_l": write_gguf(tmp_path / "clip_l.gguf", weights(CLIP_L)),
        "clip_g": write_gguf(
            tmp_path / "clip_g.gguf",
            {hugging_face(name): of for name, of in weights(CLIP_G).items()},
        ),
    }
    components["vae"] = decoder
    with gpustack_draw.load(model, device="auto", threads=2, **components) as loaded:
        # Of another size first: the text encoders' result has it, and is kept.
        loaded.generate("a cat", **{**SETTINGS, "size": (128, 64)})
        assert (np.asarray(loaded.generate("a cat", **SETTINGS)) == expected).all()


def test_every_tensor_of_sdxl_in_four_files_is_loaded(tmp_path: Path) -> None:
    need_memory(3.5)
    # Loading fails if a tensor is missing or has another shape.
    files = {
        "model": write_sparse_gguf(tmp_path / "sdxl.gguf", prefixed(UNET, sdxl_unet())),
        "clip_l": write_sparse_gguf(tmp_path / "clip_l.gguf", CLIP_L),
        "clip_g": write_sparse_gguf(tmp_path / "clip_g.gguf", CLIP_G),
        "vae": write_sparse_gguf(tmp_path / "vae.gguf", SD_VAE),
    }
    log: list[str] = []
    engine = EngineProcess()
    try:
        engine.load(
            files={name: str(path) for name, path in files.items()},
            threads=2,
            device="auto",
            on_log=lambda _level, text: log.append(text),
        )
    finally:
        engine.close()
    assert any("Version: SDXL" in text for text in log)
    assert not [text for text in log if "unknown tensor" in text]


def hugging_face(name: str) -> str:
    return name.replace("text_model.text_projection", "text_projection.weight")


def open_clip(width: int, layers: int) -> Named:
    """Return CLIP's text encoder in OpenCLIP's layout, with one matrix for Q, K and V."""
    model: Named = {
        "token_embedding.weight": ((width, 49_408), "F16"),
        "positional_embedding": ((width, 77), "F16"),
        **_norm("ln_final", width),
    }
    for layer in range(layers):
        prefix = f"transformer.resblocks.{layer}."
        block: Named = {
            "attn.in_proj_weight": ((width, 3 * width), "F16"),
            "attn.in_proj_bias": ((3 * width,), "F32"),
            "attn.out_proj.weight": ((width, width), "F16"),
            "attn.out_proj.bias": ((width,), "F32"),
            "mlp.c_fc.weight": ((width, 4 * width), "F16"),
            "mlp.c_fc.bias": ((4 * width,), "F32"),
            "mlp.c_proj.weight": ((4 * width, width), "F16"),
            "mlp.c_proj.bias": ((width,), "F32"),
            **_norm("ln_1", width),
            **_norm("ln_2", width),
        }
        model |= prefixed(prefix, block)
    return model


def _norm(name: str, width: int) -> Named:
    return {f"{name}.weight": ((width,), "F32"), f"{name}.bias": ((width,), "F32")}


ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}


def diffusers_name(name: str) -> str:
    """Return the diffusers name of a tensor of Stable Diffusion 1's UNet."""
    layer, _, ending = name.rpartition(".")
    if layer in ENDS:
        return f"{ENDS[layer]}.{ending}"
    place = re.fullmatch(r"(input|middle|output)_blocks?\.(\d+)\.(?:(\d)\.)?(.+)", name)
    assert place is not None
    number, half, rest = int(place[2]), place[3], place[4]
    if place[1] == "middle":
        rest = f"{half}.{rest}" if half else rest
        block = "mid_block.attentions.0." if number == 1 else f"mid_block.resnets.{number // 2}."
        return block + (rest if number == 1 else _residual_name(rest))
    level, index = divmod(number - 1, 3) if place[1] == "input" else divmod(number, 3)
    side = "down_blocks" if place[1] == "input" else "up_blocks"
    if rest.startswith("op."):
        return f"{side}.{level}.downsamplers.0.conv.{ending}"
    if rest.startswith("conv."):
        return f"{side}.{level}.upsamplers.0.conv.{ending}"
    if half == "0":
        return f"{side}.{level}.resnets.{index}.{_residual_name(rest)}"
    return f"{side}.{level}.attentions.{index}.{rest}"


def _residual_name(rest: str) -> str:
    layer, _, ending = rest.rpartition(".")
    return f"{RESIDUAL[layer]}.{ending}"


def test_names_of_diffusers() -> None:
    assert [
        diffusers_name(f"{name}.weight")
        for name in (
            "input_blocks.0.0",
            "input_blocks.1.1.proj_in",
            "input_blocks.3.0.op",
            "input_blocks.11.0.in_layers.0",
            "middle_block.1.norm",
            "middle_block.2.out_layers.3",
            "output_blocks.5.2.conv",
            "output_blocks.11.0.skip_connection",
        )
    ] == [
        "conv_in.weight",
        "down_blocks.0.attentions.0.proj_in.weight",
        "down_blocks.0.downsamplers.0.conv.weight",
        "down_blocks.3.resnets.1.norm1.weight",
        "mid_block.attentions.0.norm.weight",
        "mid_block.resnets.1.conv2.weight",
        "up_blocks.1.upsamplers.0.conv.weight",
        "up_blocks.3.resnets.2.conv_shortcut.weight",
    ]
