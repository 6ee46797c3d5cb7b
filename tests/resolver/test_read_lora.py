"""LoRA files: naming, type, base and texts are read from their headers."""

import json
from pathlib import Path

import checkpoint_files as checkpoints
import model_files as files
import pytest
from lora_files import convolution, factors, read

from gpustack_draw.headers.header import read_model_header
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.loras.guess_base import BASES
from gpustack_draw.resolver.loras.read_lora import read_lora

DOUBLE = "double_blocks.0.img_attn.proj"

NAMINGS: dict[str, tuple[files.Tensors, str]] = {
    "kohya": (factors("lora_unet_double_blocks_0_img_attn_proj", kohya=True), "kohya"),
    "kohya text encoder": (factors("lora_te1_text_model_encoder_layers_0_mlp_fc1"), "kohya"),
    "diffusers": (factors("transformer.transformer_blocks.0.attn.to_q"), "diffusers"),
    "diffusers UNet": (factors("unet.mid_block.attentions.0.proj_in"), "diffusers"),
    "older diffusers": (
        {
            "unet.mid_block.attn1.processor.to_q_lora.down.weight": ((64, 4), "F32"),
            "unet.mid_block.attn1.processor.to_q_lora.up.weight": ((4, 64), "F32"),
        },
        "diffusers",
    ),
    "ComfyUI": (factors(f"diffusion_model.{DOUBLE}"), "ComfyUI"),
    "PEFT": (factors(f"base_model.model.{DOUBLE}"), "PEFT"),
    "PEFT with the name of an adapter": (
        {
            f"base_model.model.{DOUBLE}.lora_A.my-style.weight": ((64, 4), "F32"),
            f"base_model.model.{DOUBLE}.lora_B.my-style.weight": ((4, 64), "F32"),
        },
        "PEFT",
    ),
    "the first diffusers": (
        {
            "unet.mid_block.attn1.to_q.lora_linear_layer.down.weight": ((64, 4), "F32"),
            "unet.mid_block.attn1.to_q.lora_linear_layer.up.weight": ((4, 64), "F32"),
        },
        "diffusers",
    ),
    "LyCORIS": (factors("lycoris_double_blocks_0_img_attn_proj", kohya=True), "LyCORIS"),
    "none": (factors(DOUBLE), "original"),
}


@pytest.mark.parametrize("case", NAMINGS)
def test_namings(case: str, tmp_path: Path) -> None:
    tensors, naming = NAMINGS[case]
    lora = read(tmp_path, tensors)
    assert (lora.naming, lora.types, lora.ranks) == (naming, ("LoRA",), (4,))
    assert [set(module.tensors) - {"alpha"} for module in lora.modules.values()] == [{"down", "up"}]


def hada(module: str, rank: int = 4) -> files.Tensors:
    sides = {"w1_a": (rank, 64), "w1_b": (64, rank), "w2_a": (rank, 64), "w2_b": (64, rank)}
    return {f"{module}.hada_{name}": (shape, "F16") for name, shape in sides.items()}


TYPES: dict[str, tuple[files.Tensors, str, tuple[int, ...]]] = {
    "LoRA": (factors("a"), "LoRA", (4,)),
    "convolution": (convolution("a"), "LoRA", (4,)),
    "convolution with a core": (
        {
            "a.lora_down.weight": ((1, 1, 8, 4), "F16"),
            "a.lora_mid.weight": ((3, 3, 4, 4), "F16"),
            "a.lora_up.weight": ((1, 1, 4, 16), "F16"),
        },
        "LoRA",
        (4,),
    ),
    "LoHa": (hada("a"), "LoHa", (4,)),
    "LoHa with a core": (
        {
            **{f"a.hada_w{n}_a": ((16, 4), "F16") for n in (1, 2)},
            **{f"a.hada_w{n}_b": ((8, 4), "F16") for n in (1, 2)},
            **{f"a.hada_t{n}": ((3, 3, 4, 4), "F16") for n in (1, 2)},
        },
        "LoHa",
        (4,),
    ),
    "LoKr": ({"a.lokr_w1": ((8, 8), "F16"), "a.lokr_w2": ((8, 8), "F16")}, "LoKr", ()),
    "LoKr with factors": (
        {
            "a.lokr_w1": ((8, 8), "F16"),
            "a.lokr_w2_a": ((2, 8), "F16"),
            "a.lokr_w2_b": ((8, 2), "F16"),
        },
        "LoKr",
        (2,),
    ),
    "difference": (
        {"a.diff": ((64, 64), "F16"), "a.diff_b": ((64,), "F16")},
        "difference",
        (),
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_types_and_ranks(case: str, tmp_path: Path) -> None:
    tensors, kind, ranks = TYPES[case]
    lora = read(tmp_path, tensors)
    assert (lora.types, lora.ranks) == ((kind,), ranks)


def test_a_mixture_of_types_ranks_and_other_tensors(tmp_path: Path) -> None:
    tensors = {**factors("a"), **factors("b", rank=8), **hada("c"), "norm.scale": ((64,), "F32")}
    lora = read(tmp_path, tensors)
    assert (lora.types, lora.ranks) == (("LoRA", "LoHa"), (4, 8))
    assert set(lora.modules) == {"a", "b", "c"}
    assert len(lora.tensors) == len(tensors)


def test_the_same_lora_in_each_format(tmp_path: Path) -> None:
    tensors = factors(f"diffusion_model.{DOUBLE}")
    expected = read(tmp_path, tensors)
    (tmp_path / "x.gguf").write_bytes(files.gguf_bytes(tensors))
    (tmp_path / "x.pt").write_bytes(checkpoints.checkpoint_bytes(tensors))
    for name in ("x.gguf", "x.pt"):
        lora = read_lora(read_model_header(tmp_path / name), name)
        assert (lora.naming, lora.ranks, lora.base) == (
            expected.naming,
            expected.ranks,
            expected.base,
        )
        assert set(lora.modules) == set(expected.modules)


def test_few_layers_of_many_are_no_damage(tmp_path: Path) -> None:
    lora = read(tmp_path, factors("transformer.single_transformer_blocks.37.attn.to_q", 3072, 3072))
    assert lora.base is not None
    assert lora.base.title == "FLUX.1"


# Module, inputs, outputs, title of the base.
GUESSES: tuple[tuple[str, int, int, str], ...] = (
    (
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
        768,
        640,
        "Stable Diffusion 1",
    ),
    (
        "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
        1024,
        640,
        "Stable Diffusion 2",
    ),
    (
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_v",
        2048,
        640,
        "Stable Diffusion XL",
    ),
    ("lora_unet_down_blocks_0_attentions_0_proj_in", 320, 320, "Stable Diffusion 1"),
    ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280, 5120, "Stable Diffusion XL"),
    ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", 768, 768, "Stable Diffusion 1"),
    ("transformer.transformer_blocks.0.attn.to_q", 1536, 1536, "Stable Diffusion 3 medium"),
    ("diffusion_model.joint_blocks.0.x_block.attn.qkv", 2432, 7296, "Stable Diffusion 3.5 large"),
    ("lora_unet_double_blocks_0_img_mlp_0", 3072, 12288, "FLUX.1"),
    ("lora_unet_single_blocks_0_linear1", 3072, 21504, "FLUX.1"),
    ("transformer.single_transformer_blocks.0.proj_out", 15360, 3072, "FLUX.1"),
    ("diffusion_model.double_blocks.0.img_mod.lin", 3072, 18432, "FLUX.1"),
    ("diffusion_model.double_blocks.0.img_attn.qkv", 3072, 9216, "FLUX.1 or FLUX.2 klein 4B"),
    ("diffusion_model.single_blocks.0.linear1", 3072, 27648, "FLUX.2 klein 4B"),
    ("diffusion_model.single_blocks.0.linear2", 16384, 4096, "FLUX.2 klein 9B"),
    ("diffusion_model.double_blocks.0.img_attn.qkv", 6144, 18432, "FLUX.2 dev"),
    ("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 6144, 55296, "FLUX.2 dev"),
    ("transformer.transformer_blocks.0.ff.linear_in", 4096, 24576, "FLUX.2 klein 9B"),
    ("diffusion_model.double_blocks.0.img_attn.qkv", 256, 768, "a small FLUX.2 klein"),
    ("transformer.transformer_blocks.0.img_mlp.net.0.proj", 3072, 12288, "Qwen-Image"),
    ("transformer_blocks.59.attn.to_q", 3072, 3072, "Qwen-Image"),
    ("transformer_blocks.0.attn.to_q", 3072, 3072, "Qwen-Image, FLUX.1 or FLUX.2 klein 4B"),
    ("diffusion_model.double_blocks.0.img_mlp.gate_proj", 3072, 12288, "Ovis-Image"),
    ("diffusion_model.layers.0.attention.to_q", 3840, 3840, "Z-Image"),
    ("diffusion_model.layers.0.attention.qkv", 2304, 6912, "Lumina 2"),
    ("diffusion_model.blocks.0.self_attn.q", 1536, 1536, "Wan 1.3B"),
    ("lora_unet_blocks_0_cross_attn_k", 5120, 5120, "Wan 14B"),
    ("transformer.blocks.0.attn1.to_q", 3072, 3072, "Wan 2.2 TI2V 5B"),
    ("diffusion_model.blocks.0.self_attn.q_proj", 2048, 2048, "Anima"),
    ("diffusion_model.layers.0.self_attention.to_q", 4096, 4096, "ERNIE-Image"),
    ("lora_unet_double_blocks_0_img_mlp_fc1", 3072, 12288, "HunyuanVideo or HunyuanImage"),
    ("transformer.transformer_blocks.0.attn1.to_q", 2048, 2048, "LTX-Video"),
    ("diffusion_model.double_stream_blocks.0.block.attn1.to_q", 2560, 2560, "HiDream"),
)


@pytest.mark.parametrize(("module", "inputs", "outputs", "title"), GUESSES)
def test_the_base_is_guessed_by_names_and_shapes(
    module: str, inputs: int, outputs: int, title: str, tmp_path: Path
) -> None:
    base = read(tmp_path, factors(module, inputs, outputs)).base
    assert base is not None
    assert base.title == title


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("flux2_klein_4b", "FLUX.2 klein 4B"),
        ("flux1", "FLUX.1"),
        ("flux-1-dev/lora", "FLUX.1"),
        ("sdxl_base_v1-0", "FLUX.1 or FLUX.2 klein 4B"),  # shapes count more
        ("", "FLUX.1 or FLUX.2 klein 4B"),
    ],
)
def test_the_metadata_decides_between_bases_of_the_same_shapes(
    stated: str, title: str, tmp_path: Path
) -> None:
    tensors = factors("diffusion_model.double_blocks.0.img_attn.qkv", 3072, 9216)
    base = read(tmp_path, tensors, {"ss_base_model_version": stated}).base
    assert base is not None
    assert base.title == title


def test_each_base_names_known_families() -> None:
    assert {name for base in BASES for name in base.families} <= FAMILIES.keys()


def test_an_unknown_base(tmp_path: Path) -> None:
    assert read(tmp_path, factors("decoder.7.attention")).base is None


def test_texts_of_the_metadata(tmp_path: Path) -> None:
    tags = {"10_cat": {"mycat": 10, "sitting": 4}, "2_dog": {"dog": 2, "sitting": 7}}
    metadata = {
        "modelspec.title": "My cat",
        "ss_output_name": "mycat_v2",
        "ss_base_model_version": "sdxl_base_v1-0",
        "modelspec.license": "CC-BY-4.0",
        "ss_tag_frequency": json.dumps(tags),
    }
    lora = read(tmp_path, factors("a"), metadata)
    assert (lora.title, lora.stated_base, lora.license) == ("My cat", "sdxl_base_v1-0", "CC-BY-4.0")
    assert lora.trigger_words == ("mycat", "sitting")
    stated = {**metadata, "modelspec.trigger_phrase": "mycat, on a mat", "modelspec.title": "None"}
    lora = read(tmp_path, factors("a"), stated)
    assert (lora.title, lora.trigger_words) == ("mycat_v2", ("mycat", "on a mat"))


def test_hostile_texts_become_short_printable_lines(tmp_path: Path) -> None:
    many = {f"folder{number}": {f"\x1b[2J tag{number}": 5, "rare": 1} for number in range(1000)}
    metadata = {
        "modelspec.title": "\x1b]0;owned\x07 two\nlines" + "x" * 100_000,
        "ss_base_model_version": "\u202egnp.exe",
        "ss_tag_frequency": json.dumps(many),
    }
    lora = read(tmp_path, factors("a"), metadata)
    assert lora.title.startswith("]0;owned two lines")
    assert len(lora.title) == 100
    assert lora.stated_base == "gnp.exe"
    assert len(lora.trigger_words) == 8
    assert lora.trigger_words[:2] == ("[2J tag0", "[2J tag1")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        '{"a": 1, "b": [2], "c": null}',
        '{"a": {"tag": "many"}}',
        '{"a": {"tag": 1e999}}',
        json.dumps({"a": {f"a sentence about picture {number}": 1 for number in range(9)}}),
        "[]",
        "9" * 100_000,
        '{"a": {"' + "t" * 5_000_000 + '": 1}}',
    ],
)
def test_unreadable_counts_of_tags_are_ignored(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, factors("a"), {"ss_tag_frequency": text}).trigger_words == ()
