"""The engine's names of the tensors of models and LoRAs, which decide what a LoRA changes."""

import pytest

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.results import EngineTensor
from gpustack_draw.errors import ModelFileError

UNET = "model.diffusion_model."
CLIP = "text_model.encoder.layers.0."
SD1 = "cond_stage_model.transformer."


def unet(width: int) -> list[EngineTensor]:
    """Return tensors by which a UNet without text encoders is detected."""
    names = ("out.2.weight", "middle_block.1.x", "output_blocks.3.1.transformer_blocks.1.y")
    return [
        *(EngineTensor(name, (1,)) for name in names),
        EngineTensor("input_blocks.0.0.weight", (3, 3, 4, 320)),
        EngineTensor("x.attn2.to_k.weight", (width, 1)),
    ]


def transformer(name: str) -> list[EngineTensor]:
    return [EngineTensor(name, (1,), "diffusion_model")]


MODELS = {
    "sd1": unet(768),
    "sdxl": unet(2048),
    "sd3": transformer("joint_blocks.0.x"),
    "flux1": transformer("double_blocks.0.x"),
    "qwen-image": transformer("transformer_blocks.0.img_mod.1.weight"),
    "z-image": transformer("cap_embedder.0.weight"),
    "wan": transformer("blocks.0.cross_attn.norm_k.weight"),
}
# Model, name in the file of the LoRA, and the engine's name without "lora.".
NAMES = [
    (
        "sd1",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
        UNET + "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight.lora_down",
    ),
    (
        "sd1",
        "base_model.model.down_blocks.1.resnets.0.conv1.lora_A.weight",
        UNET + "input_blocks.4.0.in_layers.2.weight.lora_down",
    ),
    (
        "sd1",
        "lycoris_mid_block_attentions_0_proj_in.lora_mid.weight",
        UNET + "middle_block.1.proj_in.weight.lora_mid",
    ),
    (
        "sd1",
        f"base_model.model.{CLIP}mlp.fc1.lora_B.weight",
        f"{SD1}{CLIP}mlp.fc1.weight.lora_up",
    ),
    (
        "sd1",
        f"text_encoder.{CLIP}mlp.fc1.lora_linear_layer.up.weight",
        f"{SD1}{CLIP}mlp.fc1.weight.lora_up",
    ),
    (
        "sdxl",
        f"text_encoder_2.{CLIP}mlp.fc1.lora_A.weight",
        f"cond_stage_model.1.transformer.{CLIP}mlp.fc1.weight.lora_down",
    ),
    (
        "sd3",
        f"text_encoder_2.{CLIP}mlp.fc1.lora_A.weight",
        f"text_encoders.clip_g.transformer.{CLIP}mlp.fc1.weight.lora_down",
    ),
    (
        "sd3",
        "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight",
        "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight.lora_down",
    ),
    (
        "sd3",
        "transformer.norm_out.linear.lora_A.weight",  # its halves are swapped
        UNET + "norm_out.swapped.weight.lora_down",
    ),
    (
        "flux1",
        "transformer.transformer_blocks.3.attn.add_k_proj.lora_A.weight",
        UNET + "double_blocks.3.txt_attn.qkv.weight.1.lora_down",
    ),
    (
        "flux1",
        "lora_transformer_single_transformer_blocks_3_proj_mlp.alpha",
        UNET + "single_blocks.3.linear1.weight.3.alpha",
    ),
    (
        "flux1",
        f"text_encoder.{CLIP}mlp.fc1.lora_A.weight",
        f"text_encoders.clip_l.transformer.{CLIP}mlp.fc1.weight.lora_down",
    ),
    (
        "qwen-image",
        "transformer.transformer_blocks.7.img_mlp.net.0.proj.lora_A.default.weight",
        UNET + "transformer_blocks.7.img_mlp.net.0.proj.weight.lora_down",
    ),
    (
        "z-image",
        "lora_unet_layers_3_feed_forward_w1.lora_down.weight",
        UNET + "layers.3.feed_forward.w1.weight.lora_down",
    ),
    (
        "wan",
        "lora_unet_blocks_0_cross_attn_k.lora_up.weight",
        UNET + "blocks.0.cross_attn.k.weight.lora_up",
    ),
]


@pytest.mark.parametrize(("model", "name", "expected"), NAMES)
def test_name_of_a_lora(model: str, name: str, expected: str) -> None:
    assert CoreEngine().engine_names(MODELS[model], [name]).lora == ("lora." + expected,)


def test_a_name_on_which_the_library_fails_is_unchanged() -> None:
    name = "cond_stage_model.model.transformer.resblocks.0"
    names = CoreEngine().engine_names([EngineTensor(name, (1,))], [name])
    assert (names.model, names.lora) == ((name,), ("lora." + name,))


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ([EngineTensor("a" * 513, (1,))], "the name of a tensor has 513 bytes"),
        ([EngineTensor("", (1,))], "the name of a tensor has 0 bytes"),
        ([EngineTensor("a", (1,) * 6)], "no model has the shape of a tensor"),
        ([EngineTensor("a", (-1,))], "no model has the shape of a tensor"),
        ([EngineTensor("a", (1,), "motor")], "no file named 'motor'"),
        ([EngineTensor("a", (1,))] * 65_537, "there are 65537 tensors"),
    ],
)
def test_what_no_model_has_is_refused(tensors: list[EngineTensor], problem: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        CoreEngine().engine_names(tensors, [])
    assert caught.value.message == f"the names of the tensors cannot be read: {problem}"
