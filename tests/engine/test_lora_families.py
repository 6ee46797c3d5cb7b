"""LoRAs of published namings match whole models by the engine's own names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import architectures
import model_files as files
import pytest
import qwen_architectures

import gpustack_draw
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import EngineTensor
from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.request.draw_request import request_of
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.loras.lora_file import LoraFile, LoraMatch
from gpustack_draw.resolver.loras.match_lora import check_match, match_lora
from gpustack_draw.resolver.loras.read_lora import read_lora

pytestmark = pytest.mark.engine

RANK = 4


@dataclass(frozen=True)
class Case:
    """A family, the tensors of a model by component, and modules of LoRAs for it.

    Attributes:
        family: Name of the family.
        model: Tensors by component.
        modules: Modules of published LoRAs, with the tensor of the model that they change and the
            rows of the part of it; 0 for all rows.
    """

    family: str
    model: Mapping[str, files.Tensors]
    modules: Mapping[str, tuple[str, int]]


def whole(**modules: str) -> dict[str, tuple[str, int]]:
    return {name: (tensor, 0) for name, tensor in modules.items()}


CLIPS: dict[str, files.Tensors] = {"clip_g": architectures.CLIP_G, "clip_l": architectures.CLIP_L}
CASES: dict[str, Case] = {
    "Stable Diffusion 1": Case(
        "sd1",
        {"model": architectures.sd1_unet(), "clip_l": architectures.CLIP_L},
        whole(
            lora_unet_down_blocks_0_attentions_0_proj_in="input_blocks.1.1.proj_in",
            lora_unet_mid_block_resnets_0_conv1="middle_block.0.in_layers.2",
            lora_unet_up_blocks_3_resnets_2_conv_shortcut="output_blocks.11.0.skip_connection",
            lora_unet_down_blocks_2_downsamplers_0_conv="input_blocks.9.0.op",
            lora_te_text_model_encoder_layers_0_self_attn_q_proj=(
                "text_model.encoder.layers.0.self_attn.q_proj"
            ),
        )
        | {
            f"unet.up_blocks.1.attentions.0.transformer_blocks.0.{name}": (
                f"output_blocks.3.1.transformer_blocks.0.{name}",
                0,
            )
            for name in ("attn2.to_k", "attn1.to_out.0", "ff.net.0.proj")
        },
    ),
    "Stable Diffusion XL": Case(
        "sdxl",
        {"model": architectures.sdxl_unet(), **CLIPS},
        whole(
            lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k=(
                "input_blocks.4.1.transformer_blocks.0.attn2.to_k"
            ),
            lora_unet_down_blocks_1_attentions_0_proj_in="input_blocks.4.1.proj_in",
            lora_unet_up_blocks_1_upsamplers_0_conv="output_blocks.5.2.conv",
            lora_te1_text_model_encoder_layers_11_mlp_fc2="text_model.encoder.layers.11.mlp.fc2",
        ),
    ),
    "FLUX.1, by kohya": Case(
        "flux1",
        {"diffusion_model": architectures.flux1(3072, 19, 38)},
        whole(
            lora_unet_double_blocks_18_img_attn_qkv="double_blocks.18.img_attn.qkv",
            lora_unet_double_blocks_0_txt_mlp_2="double_blocks.0.txt_mlp.2",
            lora_unet_double_blocks_0_img_mod_lin="double_blocks.0.img_mod.lin",
            lora_unet_single_blocks_37_linear1="single_blocks.37.linear1",
            lora_unet_single_blocks_0_modulation_lin="single_blocks.0.modulation.lin",
        ),
    ),
    "FLUX.1, by diffusers without proj_mlp": Case(
        "flux1",
        {"diffusion_model": architectures.flux1(3072, 19, 38)},
        {
            "transformer.transformer_blocks.18.attn.to_q": ("double_blocks.18.img_attn.qkv", 3072),
            "transformer.transformer_blocks.18.attn.to_k": ("double_blocks.18.img_attn.qkv", 3072),
            "transformer.transformer_blocks.18.attn.to_v": ("double_blocks.18.img_attn.qkv", 3072),
            "transformer.transformer_blocks.0.attn.add_k_proj": (
                "double_blocks.0.txt_attn.qkv",
                3072,
            ),
            "transformer.transformer_blocks.0.ff.net.0.proj": ("double_blocks.0.img_mlp.0", 0),
            "transformer.transformer_blocks.0.attn.to_out.0": ("double_blocks.0.img_attn.proj", 0),
            "transformer.single_transformer_blocks.37.attn.to_q": (
                "single_blocks.37.linear1",
                3072,
            ),
            "transformer.single_transformer_blocks.37.attn.to_k": (
                "single_blocks.37.linear1",
                3072,
            ),
            "transformer.single_transformer_blocks.37.attn.to_v": (
                "single_blocks.37.linear1",
                3072,
            ),
            "transformer.single_transformer_blocks.37.proj_out": ("single_blocks.37.linear2", 0),
        },
    ),
    "FLUX.2 klein, by diffusers": Case(
        "flux2-klein",
        {"diffusion_model": architectures.klein(3072, 5, 20, context=7680)},
        {
            "transformer.transformer_blocks.4.attn.to_q": ("double_blocks.4.img_attn.qkv", 3072),
            "transformer.transformer_blocks.4.ff.linear_in": ("double_blocks.4.img_mlp.0", 0),
            "transformer.single_transformer_blocks.19.attn.to_qkv_mlp_proj": (
                "single_blocks.19.linear1",
                0,
            ),
            "transformer.single_transformer_blocks.19.attn.to_out": ("single_blocks.19.linear2", 0),
        },
    ),
    "Stable Diffusion 3": Case(
        "sd3",
        {"diffusion_model": architectures.sd3(24)},
        {
            "transformer.transformer_blocks.0.attn.to_q": (
                "joint_blocks.0.x_block.attn.qkv",
                1536,
            ),
            "transformer.transformer_blocks.0.attn.to_out.0": (
                "joint_blocks.0.x_block.attn.proj",
                0,
            ),
            "diffusion_model.joint_blocks.23.x_block.mlp.fc1": (
                "joint_blocks.23.x_block.mlp.fc1",
                0,
            ),
        },
    ),
    "Qwen-Image": Case(
        "qwen-image",
        {"diffusion_model": qwen_architectures.qwen_image()},
        {
            "transformer_blocks.59.attn.to_q": ("transformer_blocks.59.attn.to_q", 0),
            "transformer.transformer_blocks.0.attn.add_k_proj": (
                "transformer_blocks.0.attn.add_k_proj",
                0,
            ),
            "diffusion_model.transformer_blocks.0.img_mlp.net.2": (
                "transformer_blocks.0.img_mlp.net.2",
                0,
            ),
            "lora_unet_transformer_blocks_1_txt_mod_1": ("transformer_blocks.1.txt_mod.1", 0),
        },
    ),
    "Wan": Case(
        "wan",
        {"diffusion_model": architectures.WAN_1_3B},
        {
            "diffusion_model.blocks.29.self_attn.q": ("blocks.29.self_attn.q", 0),
            "lora_unet_blocks_0_cross_attn_k": ("blocks.0.cross_attn.k", 0),
            "diffusion_model.blocks.0.ffn.2": ("blocks.0.ffn.2", 0),
        },
    ),
}


@pytest.fixture(scope="module")
def process() -> Iterator[EngineProcess]:
    process = EngineProcess()
    yield process
    process.close()


def lora_for(case: Case) -> LoraFile:
    """Return a LoRA with the modules of a case."""
    shapes = {
        name: shape for tensors in case.model.values() for name, (shape, _) in tensors.items()
    }
    infos = {}
    for module, (target, rows) in case.modules.items():
        shape = tuple(shapes[f"{target}.weight"])
        up = (1, 1, RANK, shape[-1]) if len(shape) == 4 else (RANK, rows or shape[-1])
        for factor, sides in (("lora_down", (*shape[:-1], RANK)), ("lora_up", up)):
            name = f"{module}.{factor}.weight"
            infos[name] = TensorInfo(name, sides, "F16", 0)
    return read_lora(ModelHeader("safetensors", infos), "x")


def match(process: EngineProcess, lora: LoraFile, model: Mapping[str, files.Tensors]) -> LoraMatch:
    tensors = [
        EngineTensor(name, TensorInfo(name, tuple(shape), kind, 0).shape, component)
        for component, of_component in model.items()
        for name, (shape, kind) in of_component.items()
    ]
    names = process.engine_names(tensors, list(lora.tensors))
    shapes = (tensor.shape for tensor in tensors)
    return match_lora(
        lora,
        dict(zip(names.model, shapes, strict=True)),
        dict(zip(lora.tensors, names.lora, strict=True)),
    )


@pytest.mark.parametrize("name", CASES)
def test_every_tensor_is_applied(name: str, process: EngineProcess) -> None:
    case = CASES[name]
    lora = lora_for(case)
    found = match(process, lora, case.model)
    assert (found.unmatched, found.misfits) == ((), ())
    assert check_match(lora, found, FAMILIES[case.family]) == ""


# Bases with the most modules in common.
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Stable Diffusion 1", "Stable Diffusion XL"),
        ("Stable Diffusion XL", "Stable Diffusion 1"),
        ("FLUX.1, by kohya", "FLUX.2 klein, by diffusers"),
        ("FLUX.1, by diffusers without proj_mlp", "Qwen-Image"),
        ("Qwen-Image", "FLUX.1, by kohya"),
    ],
)
def test_a_lora_of_another_family_is_refused(name: str, other: str, process: EngineProcess) -> None:
    lora, case = lora_for(CASES[name]), CASES[other]
    assert lora.base is not None
    with pytest.raises(ModelFileError) as caught:
        check_match(lora, match(process, lora, case.model), FAMILIES[case.family])
    assert caught.value.message == (
        f"'x' is a LoRA for {lora.base.title}, and the model is {FAMILIES[case.family].title}"
    )


def test_a_difference_of_a_quantized_weight_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    module = "diffusion_model.double_blocks.0.img_attn.proj"
    path.write_bytes(files.safetensors_bytes({f"{module}.diff": ((256, 256), "F16")}))
    with gpustack_draw.load("demo") as model, pytest.raises(ModelFileError) as caught:
        model.plan(request_of({"prompt": "a red circle", "loras": [str(path)]}))
    assert caught.value.message == (
        f"'{path}' (a small FLUX.2 klein) does not fit the model in one module, for example"
        f" '{module}': the engine adds LoHa and differences to weights in F32, F16 or BF16 only"
    )
