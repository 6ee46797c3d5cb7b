"""Families are detected by tensor names, as in the engine."""

import re
from dataclasses import replace

import model_files as files
import pytest
from build_tools import engine_source

from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.request.names import COMPONENTS, SCHEDULERS
from gpustack_draw.resolver.detect_family import (
    components_inside,
    defaults_of,
    detect_family,
    identify_file,
    variant_of,
)
from gpustack_draw.resolver.families import FAMILIES, Family


def header(tensors: files.Tensors) -> ModelHeader:
    infos = {
        name: TensorInfo(name, tuple(shape), kind, 0) for name, (shape, kind) in tensors.items()
    }
    return ModelHeader("gguf", infos)


def named(*names: str, shape: files.Shape = (64, 64)) -> files.Tensors:
    return dict.fromkeys(names, (shape, "F16"))


XL_TEXT = files.prefixed("conditioner.embedders.0.transformer.", files.CLIP_L)
XL_SECOND = named("conditioner.embedders.1.model.token_embedding.weight", shape=(1280, 4))
SD2_TEXT = named("cond_stage_model.model.token_embedding.weight", shape=(1024, 4))
SD1_TEXT = files.prefixed("cond_stage_model.transformer.", files.CLIP_L)
TINY_UNET = named("input_blocks.0.0.weight", shape=(3, 3, 4, 320))


def unet(channels: int) -> files.Tensors:
    return {**files.UNET, "input_blocks.0.0.weight": ((3, 3, channels, 320), "F16")}


def flux1(channels: int) -> files.Tensors:
    return {**files.FLUX1, "img_in.weight": ((channels, 256), "F16")}


def wan(width: int, channels: int) -> files.Tensors:
    return {
        "blocks.0.cross_attn.norm_k.weight": ((width,), "F32"),
        "patch_embedding.weight": ((2, 2, 1, channels * width), "F16"),
    }


CASES: dict[str, tuple[str, files.Tensors]] = {
    "FLUX.2 klein": ("flux2-klein", files.KLEIN),
    "FLUX.2 dev": ("flux2", {**files.KLEIN, **named("single_blocks.47.linear1.weight")}),
    "FLUX.1": ("flux1", files.FLUX1),
    "FLUX.1 Fill": ("flux1-fill", flux1(384)),
    "FLUX.1 Controls": ("flux1-controls", flux1(128)),
    "Flex.2": ("flex2", flux1(196)),
    "Chroma": (
        "chroma",
        {**files.FLUX1, **named("distilled_guidance_layer.in_proj.weight")},
    ),
    "Radiance": (
        "chroma-radiance",
        {
            **files.FLUX1,
            **named("distilled_guidance_layer.in_proj.weight", "nerf_final_layer_conv.conv.weight"),
        },
    ),
    "Ovis": (
        "ovis-image",
        {**files.FLUX1, **named("double_blocks.0.img_mlp.gate_proj.weight")},
    ),
    "SD3": ("sd3", files.SD3),
    "Qwen-Image": ("qwen-image", named("transformer_blocks.0.img_mod.1.weight")),
    "Anima": (
        "anima",
        named("llm_adapter.blocks.0.cross_attn.q_proj.weight", "blocks.0.cross_attn.norm_k.weight"),
    ),
    "Z-Image": ("z-image", named("cap_embedder.0.weight")),
    "ERNIE": ("ernie-image", named("layers.0.adaLN_sa_ln.weight")),
    "Wan 1.3B": ("wan", wan(1536, 16)),
    "Wan 14B": ("wan", wan(5120, 16)),
    "Wan 2.2 TI2V": ("wan-ti2v", wan(3072, 48)),
    "Wan 2.2 I2V": ("wan-i2v", wan(5120, 36)),
    "Wan 2.1 I2V": ("wan-i2v", {**wan(5120, 36), **named("img_emb.proj.0.weight")}),
    "Wan 2.1 VACE": ("wan-vace", {**wan(1536, 16), **named("vace_blocks.0.after_proj.weight")}),
}

DIFFUSERS_UNET: files.Tensors = {
    "conv_in.weight": ((3, 3, 4, 320), "F16"),
    **named("down_blocks.0.resnets.0.conv1.weight", "mid_block.resnets.1.conv1.weight"),
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": ((2048, 64), "F16"),
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize(("family", "tensors"), CASES.values(), ids=CASES.keys())
def test_transformer(family: str, tensors: files.Tensors, prefix: str) -> None:
    assert detect_family(header(files.prefixed(prefix, tensors))) is FAMILIES[family]


UNETS: dict[str, tuple[str, files.Tensors, files.Tensors]] = {
    "SD1": ("sd1", files.UNET, SD1_TEXT),
    "SD1 inpainting": ("sd1-inpaint", unet(9), SD1_TEXT),
    "InstructPix2Pix": ("sd1-pix2pix", unet(8), SD1_TEXT),
    "SD1 tiny": ("sd1-tiny", {**TINY_UNET, **named("output_blocks.7.1.proj_in.weight")}, SD1_TEXT),
    "SDXS": ("sdxs", TINY_UNET, SD1_TEXT),
    "SD2": ("sd2", files.UNET, SD2_TEXT),
    "SD2 inpainting": ("sd2-inpaint", unet(9), SD2_TEXT),
    "SD2 tiny": ("sd2-tiny", TINY_UNET, SD2_TEXT),
    "SDXS 0.9": (
        "sdxs-09",
        {
            **TINY_UNET,
            **named("output_blocks.7.1.transformer_blocks.0.attn1.to_k.weight", shape=(1024, 64)),
        },
        SD2_TEXT,
    ),
    "SDXL": ("sdxl", files.UNET, {**XL_TEXT, **XL_SECOND}),
    "SDXL inpainting": ("sdxl-inpaint", unet(9), {**XL_TEXT, **XL_SECOND}),
    "SDXL pix2pix": ("sdxl-pix2pix", unet(8), {**XL_TEXT, **XL_SECOND}),
    "CosXL-Edit": (
        "cosxl-edit",
        unet(8),
        {**XL_TEXT, **XL_SECOND, "edm_vpred.sigma_max": ((1,), "F32")},
    ),
    "SSD-1B": (
        "sdxl-ssd1b",
        {**TINY_UNET, **named("output_blocks.3.1.transformer_blocks.1.norm1.weight")},
        {**XL_TEXT, **XL_SECOND},
    ),
    "Vega": ("sdxl-vega", TINY_UNET, {**XL_TEXT, **XL_SECOND}),
    "SDXL of gpustack": (
        "sdxl",
        files.UNET,
        {**SD1_TEXT, **files.prefixed("cond_stage_model.1.transformer.", files.CLIP_G)},
    ),
    "SDXL refiner": (
        "sdxl-refiner",
        files.UNET,
        named("conditioner.embedders.0.model.token_embedding.weight", shape=(1280, 4)),
    ),
    "SVD": (
        "svd",
        {**files.UNET, **named("input_blocks.8.0.time_mixer.mix_factor")},
        named("conditioner.embedders.0.open_clip.model.positional_embedding"),
    ),
}


@pytest.mark.parametrize(("family", "network", "text"), UNETS.values(), ids=UNETS.keys())
def test_unet(family: str, network: files.Tensors, text: files.Tensors) -> None:
    whole = header({**files.prefixed(files.DIFFUSION, network), **text})
    assert detect_family(whole) is FAMILIES[family]


def attending_to(width: int) -> files.Tensors:
    return named("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", shape=(width, 64))


LONE_UNETS: dict[str, tuple[str, files.Tensors]] = {
    "SD1": ("sd1", {**files.UNET, **attending_to(768)}),
    "SD1 inpainting": ("sd1-inpaint", {**unet(9), **attending_to(768)}),
    "SD2": ("sd2", {**files.UNET, **attending_to(1024)}),
    "SDXL": ("sdxl", {**files.UNET, **attending_to(2048)}),
    "Vega": ("sdxl-vega", {**TINY_UNET, **attending_to(2048)}),
    "SDXL refiner": ("sdxl-refiner", {**files.UNET, **attending_to(1280)}),
    "SDXL of diffusers": ("sdxl", DIFFUSERS_UNET),
    "SVD of diffusers": (
        "svd",
        {**DIFFUSERS_UNET, **named("mid_block.attentions.0.temporal_transformer_blocks.0.x")},
    ),
}


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model.", "unet."])
@pytest.mark.parametrize(("family", "network"), LONE_UNETS.values(), ids=LONE_UNETS)
def test_unet_alone_shows_its_family_by_the_text_it_attends_to(
    family: str, network: files.Tensors, prefix: str
) -> None:
    assert detect_family(header(files.prefixed(prefix, network))) is FAMILIES[family]


@pytest.mark.parametrize(
    "tensors",
    [
        files.UNET,
        {**files.UNET, **attending_to(512)},
        {**DIFFUSERS_UNET, **named("encoder_hid_proj.weight")},
    ],
    ids=["no attention", "another text encoder", "Kolors"],
)
def test_unet_of_no_known_family(tensors: files.Tensors) -> None:
    assert detect_family(header(tensors)) is None


@pytest.mark.parametrize(
    ("kind", "tensors"),
    [
        ("vae", files.VAE_4),
        ("vae", files.VAE_16),
        ("vae", files.prefixed("vae.", files.VAE_32)),
        ("vae", named("decoder.conv1.weight", "decoder.middle.0.residual.0.gamma")),
        ("taesd", files.TAESD_32),
        ("taesd", named("tae.decoder.layers.0.weight")),
        ("clip_l", files.CLIP_L),
        ("clip_g", files.CLIP_G),
        ("t5xxl", files.T5),
        ("t5xxl", named("enc.blk.0.attn_q.weight", "token_embd.weight")),
        ("llm", files.LLM),
        ("llm", named("blk.0.attn_q.weight", "token_embd.weight")),
        ("llm", named("model.layers.0.self_attn.q_proj.weight")),
        ("llm", named("visual.blocks.0.attn.qkv.weight", "model.embed_tokens.weight")),
        ("llm_vision", named("v.blk.0.attn_q.weight")),
        ("a vision encoder of a language model", named("visual.blocks.0.attn.qkv.weight")),
        ("a LoRA", files.LORA),
        ("a LoRA", named("lora_unet_double_blocks_0_img_attn_proj.lora_down.weight")),
        ("a LoRA", named("double_blocks.0.img_attn.proj.lokr_w1")),
        ("a LoRA", named("double_blocks.0.img_attn.proj.hada_w1_a")),
        ("a LoRA", named("double_blocks.0.img_attn.proj.diff")),
        ("control_net", named("control_model.input_blocks.0.0.weight")),
        ("control_net", {**files.UNET, **named("input_hint_block.0.weight")}),
        ("control_net", {**DIFFUSERS_UNET, **named("controlnet_down_blocks.0.weight")}),
        ("clip_l", named("token_embedding.weight", shape=(1024, 4))),
        ("a textual inversion", named("emb_params", shape=(768, 2))),
        ("", named("something.weight")),
    ],
)
def test_identity_of_other_files(kind: str, tensors: files.Tensors) -> None:
    assert detect_family(header(tensors)) is None
    assert identify_file(header(tensors)) == kind


@pytest.mark.parametrize(
    ("tensors", "inside"),
    [
        (files.SD1_ALL, {"clip_l", "vae"}),
        (files.SDXL_ALL, {"clip_l", "clip_g", "vae"}),
        (files.KLEIN_ALL, {"llm", "taesd"}),
        (files.KLEIN, set()),
        (
            {
                **files.prefixed(files.DIFFUSION, files.FLUX1),
                **named(
                    "text_encoders.clip_l.transformer.x",
                    "text_encoders.t5xxl.transformer.x",
                    "vae.decoder.conv_in.weight",
                ),
            },
            {"clip_l", "t5xxl", "vae"},
        ),
        # llama-box numbers the encoders; the meaning of a number depends on the family.
        (
            {
                **files.prefixed(files.DIFFUSION, files.FLUX1),
                **SD1_TEXT,
                **named("cond_stage_model.1.transformer.shared.weight"),
            },
            {"clip_l", "t5xxl"},
        ),
        (
            {**named("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"), **SD1_TEXT},
            {"clip_l"},
        ),
        (
            named(
                "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
                "cond_stage_model.1.transformer.text_model.final_layer_norm.weight",
                "cond_stage_model.2.transformer.shared.weight",
            ),
            {"clip_g", "t5xxl"},
        ),
        # In other families nobody writes such names, and the engine does not know them.
        ({**files.prefixed(files.DIFFUSION, files.KLEIN), **SD1_TEXT}, set()),
    ],
)
def test_components_inside(tensors: files.Tensors, inside: set[str]) -> None:
    family = detect_family(header(tensors))
    assert family is not None
    assert components_inside(header(tensors), family) == inside


@pytest.mark.parametrize(
    ("family", "name", "variant", "steps", "cfg_scale"),
    [
        ("sd1", "v1-5-pruned-emaonly", "", 20, 7.0),
        ("sd1", "dreamshaper_8LCM", "lcm", 4, 1.0),
        ("sd1", "dreamshaper-8-lcm", "lcm", 4, 1.0),
        ("sd2", "sd_turbo-f16-q8_0", "turbo", 6, 1.0),
        ("sd2", "512-base-ema", "base", 20, 7.0),
        ("sdxl", "sd_xl_base_1.0_0_Q4_K", "", 25, 5.0),
        ("sdxl", "sd_xl_turbo_1.0", "turbo", 4, 1.0),
        ("sdxl", "sdxl_lightning_4step", "lightning", 4, 1.0),
        ("sdxl", "sdxlturbo", "turbo", 4, 1.0),
        ("sdxl", "juggernaut-LightningHQ", "lightning", 4, 1.0),
        ("sdxl", "hyperrealistic", "", 25, 5.0),
        ("sd1", "sd15-hyper", "hyper", 4, 1.0),
        ("qwen-image", "Qwen-Image-Edit-2509", "edit", 20, 2.5),
        ("sd3", "sd3.5_large_turbo-Q4_0", "turbo", 5, 1.0),
        ("sd3", "stable-diffusion-v3-5-large-Q4_0", "large", 25, 4.5),
        ("sd3", "sd3.5_medium-Q4_0", "medium", 28, 4.5),
        ("flux1", "flux1-schnell-q4_0", "schnell", 4, 1.0),
        ("flux1", "flux1-dev-Q8_0", "dev", 20, 1.0),
        ("flux1", "flux1-kontext-dev-Q8_0", "kontext", 24, 1.0),
        ("flux2-klein", "flux-2-klein-4b-Q8_0", "", 4, 1.0),
        ("flux2-klein", "flux-2-klein-base-4B", "base", 20, 4.0),
        ("z-image", "z_image_turbo-Q4_K", "turbo", 8, 1.0),
        ("z-image", "z_image-Q4_K", "", 20, 4.0),
        ("qwen-image", "Qwen_Image-Q4_K_M", "", 20, 2.5),
        ("chroma", "developer-edition", "", 40, 4.0),
        ("wan", "wan2.1_t2v_1.3b-q8_0", "", 20, 6.0),
        ("wan", "Wan2.2-T2V-A14B-LowNoise-Q4_K_M", "lownoise", 20, 3.5),
        ("wan", "wan2.2_t2v_low_noise_14B_fp16", "lownoise", 20, 3.5),
        ("wan", "wan2.2_t2v_high_noise_14B_fp16", "highnoise", 20, 6.0),
        ("sd1", "low-noise-v2", "", 20, 7.0),
    ],
)
def test_variant(family: str, name: str, variant: str, steps: int, cfg_scale: float) -> None:
    assert variant_of(FAMILIES[family], name) == variant
    defaults = defaults_of(FAMILIES[family], variant)
    assert (defaults.sample_steps, defaults.cfg_scale) == (steps, cfg_scale)


def test_renamed_schnell_is_recognized_by_its_missing_guidance() -> None:
    without = {name: value for name, value in files.FLUX1.items() if "guidance" not in name}
    flux1 = FAMILIES["flux1"]
    assert variant_of(flux1, "model", header=header(without)) == "schnell"
    assert variant_of(flux1, "model", header=header(files.FLUX1)) == "dev"
    assert variant_of(flux1, "flux1-turbo", header=header(files.FLUX1)) == "turbo"


def sd3(blocks: int, *more: str) -> files.Tensors:
    names = [f"joint_blocks.{number}.x_block.attn.qkv.weight" for number in range(blocks)]
    return named(*names, *more)


@pytest.mark.parametrize(
    ("name", "tensors", "variant", "steps", "cfg_scale"),
    [
        ("model", sd3(38), "large", 25, 4.5),
        ("model", sd3(24, "joint_blocks.0.x_block.attn2.qkv.weight"), "medium", 28, 4.5),
        ("model", sd3(24), "medium", 25, 4.0),
        ("sd3_medium", sd3(24), "medium", 25, 4.0),
        ("sd3.5_large_turbo", sd3(38), "turbo", 5, 1.0),
    ],
)
def test_variant_of_stable_diffusion_3(
    name: str, tensors: files.Tensors, variant: str, steps: int, cfg_scale: float
) -> None:
    assert variant_of(FAMILIES["sd3"], name, header=header(tensors)) == variant
    defaults = defaults_of(FAMILIES["sd3"], variant, header(tensors))
    assert (defaults.sample_steps, defaults.cfg_scale) == (steps, cfg_scale)


@pytest.mark.parametrize(
    ("tensors", "title"),
    [
        (named("cap_embedder.0.weight", shape=(2304,)), "Lumina 2"),
        (
            named("double_blocks.0.x", "txt_in.individual_token_refiner.blocks.0.x"),
            "HunyuanVideo or HunyuanImage",
        ),
        (named("patchify_proj.weight"), "LTX-Video"),
        (named("double_layers.0.attn.w1k.weight", "cond_seq_linear.weight"), "AuraFlow"),
        (named("double_stream_blocks.0.block.adaLN_modulation.1.weight"), "HiDream"),
    ],
)
def test_a_family_that_the_engine_does_not_know_is_named(
    tensors: files.Tensors, title: str
) -> None:
    family = detect_family(header(tensors))
    assert family is not None
    assert (family.title, family.why_not) == (title, "the engine does not know it")


def test_an_architecture_by_its_name_in_the_file() -> None:
    unknown = replace(header(named("x")), metadata={"general.architecture": "cosmos"})
    family = detect_family(unknown)
    assert family is not None
    assert family.title == "Cosmos"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_family_is_complete(family: Family) -> None:
    assert set(family.requires) | set(family.optional) | set(family.sources) <= set(COMPONENTS)
    assert family.network in {"", "flux", "mmdit", "wan"}
    for defaults in (family.defaults, *family.variants.values()):
        assert 1 <= defaults.sample_steps <= 50
        assert 1.0 <= defaults.cfg_scale <= 7.5
        assert defaults.scheduler in SCHEDULERS
        for side in defaults.native_size:
            assert side % family.size_multiple == 0


def test_engine_names_its_versions_as_the_table_expects() -> None:
    """The engine's own list, where its source is at hand: a new family there needs one here."""
    source = engine_source()
    if source is None:
        pytest.skip("the engine's source is not here")
    enum = (source / "src" / "model.h").read_text()
    versions = set(re.findall(r"^    VERSION_(\w+),", enum, re.MULTILINE))
    assert versions == {
        *("SD1", "SD1_INPAINT", "SD1_PIX2PIX", "SD1_TINY_UNET"),
        *("SD2", "SD2_INPAINT", "SD2_TINY_UNET", "SDXS_512_DS", "SDXS_09"),
        *("SDXL", "SDXL_INPAINT", "SDXL_PIX2PIX", "SDXL_VEGA", "SDXL_SSD1B", "SVD"),
        *("SD3", "FLUX", "FLUX_FILL", "FLUX_CONTROLS", "FLEX_2", "CHROMA_RADIANCE"),
        *("WAN2", "WAN2_2_I2V", "WAN2_2_TI2V", "QWEN_IMAGE", "ANIMA", "FLUX2", "FLUX2_KLEIN"),
        *("Z_IMAGE", "OVIS_IMAGE", "ERNIE_IMAGE", "COUNT"),
    }
