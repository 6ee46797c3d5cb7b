"""A LoRA is matched with a model as the engine does, so that nothing crashes or is ignored."""

import re
from collections.abc import Collection
from pathlib import Path

import model_files as files
import pytest
from lora_files import LABEL, convolution, factors, read

from gpustack_draw.errors import ModelFileError
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.loras.fit import Shape
from gpustack_draw.resolver.loras.lora_file import LoraFile, LoraMatch, Misfit
from gpustack_draw.resolver.loras.match_lora import check_match, match_lora

DIFFUSION = "model.diffusion_model."
QKV, PROJ = "double_blocks.0.img_attn.qkv", "double_blocks.0.img_attn.proj"
WIDE = "double_blocks.0.img_mlp.0"
CONV, NORM = "input_blocks.1.0.in_layers.2", "double_blocks.0.norm"
DOWN = "input_blocks.3.0.op"
CONV_1 = "input_blocks.1.0.skip_connection"
MODEL: dict[str, Shape] = {
    f"{DIFFUSION}{QKV}.weight": (64, 192),
    f"{DIFFUSION}{PROJ}.weight": (64, 64),
    f"{DIFFUSION}{PROJ}.bias": (64,),
    f"{DIFFUSION}{WIDE}.weight": (64, 256),
    f"{DIFFUSION}{CONV}.weight": (3, 3, 8, 16),
    f"{DIFFUSION}{CONV_1}.weight": (1, 1, 8, 16),
    f"{DIFFUSION}{DOWN}.weight": (3, 3, 8, 8),
    f"{DIFFUSION}{NORM}.weight": (64,),
}
# The engine's factors by the endings of names.
ENDINGS = {
    "lora_A.weight": "weight.lora_down",
    "lora_B.weight": "weight.lora_up",
    "lora_down.weight": "weight.lora_down",
    "lora_mid.weight": "weight.lora_mid",
    "lora_up.weight": "weight.lora_up",
    "diff_b": "bias.diff",
}


def engine_name(name: str) -> str:
    """Name a tensor as the engine does; a number after ``@`` is the part of a fused weight."""
    found = re.fullmatch(r"(?P<module>.+?)(@(?P<part>\d))?\.(?P<ending>(lora_\w+\.)?\w+)", name)
    assert found is not None
    factor = ENDINGS.get(found["ending"], f"weight.{found['ending']}")
    if found["part"] not in (None, "0"):
        factor = factor.replace(".", f".{found['part']}.")
    return f"lora.{DIFFUSION}{found['module']}.{factor}"


def match(lora: LoraFile, quantized: Collection[str] = ()) -> LoraMatch:
    names = {name: engine_name(name) for name in lora.tensors}
    return match_lora(lora, MODEL, names, quantized)


def parts(*rows: int, inputs: int = 64) -> files.Tensors:
    return {
        name: tensor
        for number, outputs in enumerate(rows)
        if outputs
        for name, tensor in factors(f"{QKV}@{number}", inputs, outputs).items()
    }


def kronecker(module: str, first: files.Shape, second: files.Shape) -> files.Tensors:
    return {f"{module}.lokr_w1": (first, "F16"), f"{module}.lokr_w2": (second, "F16")}


def core(module: str, outputs: int) -> files.Tensors:
    return {
        f"{module}.lora_down.weight": ((1, 1, 8, 4), "F16"),
        f"{module}.lora_mid.weight": ((3, 3, 4, 4), "F16"),
        f"{module}.lora_up.weight": ((1, 1, 4, outputs), "F16"),
    }


def halves(
    module: str, first: files.Shape, inner: files.Shape, outer: files.Shape
) -> files.Tensors:
    return {
        f"{module}.lokr_w1": (first, "F16"),
        f"{module}.lokr_w2_b": (inner, "F16"),
        f"{module}.lokr_w2_a": (outer, "F16"),
    }


def hadamard(module: str, inputs: int, outputs: int, other: int = 0) -> files.Tensors:
    return {
        f"{module}.hada_w1_a": ((4, outputs), "F16"),
        f"{module}.hada_w1_b": ((inputs, 4), "F16"),
        f"{module}.hada_w2_a": ((2, other or outputs), "F16"),
        f"{module}.hada_w2_b": ((inputs, 2), "F16"),
    }


def difference(module: str, *shape: int) -> files.Tensors:
    return {f"{module}.diff": (shape, "F16")}


FITTING: dict[str, files.Tensors] = {
    "a matrix": factors(PROJ),
    "a matrix with an alpha": factors(PROJ, kohya=True),
    "the rank 1": factors(PROJ, rank=1),
    "the rank 1 with an alpha": factors(PROJ, rank=1, kohya=True),
    "a joined matrix": factors(QKV, 64, 192),
    "the parts of a joined matrix": parts(64, 64, 64),
    "parts of different sizes": parts(128, 64),
    "query and value without key": parts(64, 0, 64),
    "key and value without query": parts(0, 64, 64),
    "query alone": parts(64),
    "query and key": parts(64, 64),
    "a convolution": convolution(CONV),
    "a convolution of 1x1": convolution(CONV_1, kernel=1),
    "matrices for a convolution of 1x1": factors(CONV_1, 8, 16),
    "a convolution with a core": core(CONV, 16),
    "a downsampler": convolution(DOWN, 8, 8),
    "Kronecker factors": kronecker(PROJ, (4, 16), (16, 4)),
    "Kronecker factors of a convolution": kronecker(CONV, (4, 2), (3, 3, 2, 8)),
    "the first Kronecker part": kronecker(f"{QKV}@0", (4, 8), (16, 8)),
    "halves of Kronecker factors": halves(PROJ, (4, 16), (16, 2), (2, 4)),
    "halves of a Kronecker factor of a convolution": halves(CONV, (4, 2), (18, 2), (2, 8)),
    "a LoHa": hadamard(PROJ, 64, 64),
    "a LoHa of a convolution": hadamard(CONV, 72, 16),
    "a LoHa of a convolution with a core": {
        **{f"{CONV}.hada_w{n}_a": ((16, 4), "F16") for n in (1, 2)},
        **{f"{CONV}.hada_w{n}_b": ((8, 4), "F16") for n in (1, 2)},
        **{f"{CONV}.hada_t{n}": ((3, 3, 4, 4), "F16") for n in (1, 2)},
    },
    "a difference": difference(PROJ, 64, 64),
    "a difference with fewer rows": difference(PROJ, 64, 32),
    "a difference of a convolution": difference(CONV, 3, 3, 8, 16),
    "a difference of a norm": difference(NORM, 64),
    "a difference of a bias": {f"{PROJ}.diff": ((64, 64), "F16"), f"{PROJ}.diff_b": ((64,), "F16")},
}


@pytest.mark.parametrize("case", FITTING)
def test_fitting_loras(case: str, tmp_path: Path) -> None:
    lora = read(tmp_path, FITTING[case])
    assert match(lora) == LoraMatch(len(lora.tensors), len(lora.tensors))
    assert check_match(lora, match(lora), FAMILIES["flux2-klein"]) == ""


MISFITS: dict[str, tuple[files.Tensors, str]] = {
    "inputs": (factors(PROJ, 32), "it has 32 inputs, and the model 64"),
    "outputs": (factors(PROJ, 64, 48), "it has 48 outputs, and the model 64"),
    "too few outputs of a joined matrix": (
        factors(QKV, 64, 48),
        "it has 48 outputs, and the model 192",
    ),
    "a gap between parts of other sizes": (parts(96, 0, 48), "it lacks part 2 of a joined weight"),
    "a gap after a whole": (parts(192, 0, 64), "it lacks part 2 of a joined weight"),
    "as many outputs as inputs of another matrix": (
        factors(WIDE, 64, 64),
        "it has 64 outputs, and the model 256",
    ),
    "inputs of a part": (
        {**parts(64, 64), **factors(f"{QKV}@2", 32, 64)},
        "it has 32 inputs, and the model 64",
    ),
    "a convolution for a matrix": (
        convolution(PROJ, 64, 64, kernel=1),
        "it has factors of 1x1x64x4 and 1x1x4x64 numbers, and the model 64x64",
    ),
    "a matrix for a convolution": (
        factors(CONV, 72, 16),
        "it has 72 inputs, and the model 8",
    ),
    "a row for a convolution of 1x1": (
        factors(CONV_1, 8, 16, rank=1),
        "it has factors of 8x1 and 1x16 numbers, and the model 1x1x8x16",
    ),
    "inputs of a convolution": (convolution(CONV, 4), "it has 4 inputs, and the model 8"),
    "outputs of a convolution": (
        convolution(CONV, 8, 32),
        "it has 32 outputs, and the model 16",
    ),
    "a kernel": (convolution(CONV, kernel=1), "it has a kernel of 1x1, and the model one of 3x3"),
    "factors for a norm": (factors(NORM, 64, 1), "it has two factors for 64 numbers"),
    "Kronecker factors": (
        kronecker(PROJ, (4, 16), (8, 4)),
        "it has factors of 4x16 and 8x4 numbers, and the model 64x64",
    ),
    "Kronecker outputs": (
        kronecker(PROJ, (4, 16), (16, 3)),
        "it has 48 outputs, and the model 64",
    ),
    "Kronecker factors of a convolution": (
        kronecker(CONV, (4, 2), (1, 1, 2, 8)),
        "it has factors of 4x2 and 1x1x2x8 numbers, and the model 3x3x8x16",
    ),
    "halves of a Kronecker factor": (
        halves(PROJ, (4, 16), (16, 2), (2, 3)),
        "it has 48 outputs, and the model 64",
    ),
    "halves of the first factor of a convolution": (
        {
            f"{CONV}.lokr_w1_a": ((2, 2), "F16"),
            f"{CONV}.lokr_w1_b": ((4, 2), "F16"),
            f"{CONV}.lokr_w2": ((3, 3, 2, 8), "F16"),
        },
        "it stores the first factor of a convolution in two halves",
    ),
    "halves of a factor of a convolution": (
        halves(CONV, (4, 2), (17, 2), (2, 8)),
        "it has factors of 4x2 and 17x8 numbers, and the model 3x3x8x16",
    ),
    "a core for a downsampler": (
        core(DOWN, 8),
        "it has a core for a convolution that makes its input smaller",
    ),
    "a gap between Kronecker parts": (
        {
            **kronecker(f"{QKV}@0", (4, 8), (16, 8)),
            **kronecker(f"{QKV}@2", (4, 8), (16, 8)),
        },
        "it lacks part 2 of a joined weight",
    ),
    "outputs of a Kronecker part": (
        kronecker(f"{QKV}@0", (4, 8), (16, 4)),
        "it has 32 outputs, and the model 192",
    ),
    "a LoHa": (
        hadamard(PROJ, 64, 32),
        "its products have 2,048 numbers, and the model 4,096",
    ),
    "a LoHa of two shapes": (
        hadamard(PROJ, 64, 64, 32),
        "its two products have different shapes",
    ),
    "a difference with more rows": (
        difference(PROJ, 64, 128),
        "it has a difference of 64x128 numbers, and the model 64x64",
    ),
    "a difference of other inputs": (
        difference(PROJ, 32, 64),
        "it has a difference of 32x64 numbers, and the model 64x64",
    ),
    "a difference of a bias": (
        {f"{PROJ}.diff": ((64, 64), "F16"), f"{PROJ}.diff_b": ((32,), "F16")},
        "it has a difference of 32 numbers, and the model 64",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_misfits(case: str, tmp_path: Path) -> None:
    tensors, reason = MISFITS[case]
    lora = read(tmp_path, tensors)
    found = match(lora)
    assert [misfit.reason for misfit in found.misfits] == [reason]
    with pytest.raises(ModelFileError) as caught:
        check_match(lora, found, FAMILIES["flux2-klein"])
    assert caught.value.message.endswith(
        f" does not fit the model in one module, for example {found.misfits[0].name!r}: {reason}"
    )
    assert caught.value.hint == "use a LoRA that was made for this very model"


@pytest.mark.parametrize("tensors", [hadamard(PROJ, 64, 64), difference(PROJ, 64, 64)])
def test_quantized_weights_take_factors_only(tensors: files.Tensors, tmp_path: Path) -> None:
    for other in (factors(PROJ), kronecker(PROJ, (4, 16), (16, 4))):
        assert match(read(tmp_path, other), quantized=MODEL).misfits == ()
    lora = read(tmp_path, tensors)
    found = match(lora, quantized=MODEL)
    message, hint = refusal(lora, found, "flux2-klein")
    assert message == (
        f"'{LABEL}' (a small FLUX.2 klein) does not fit the model in one module, for example"
        f" '{PROJ}': the engine adds LoHa and differences to weights in F32, F16 or BF16 only"
    )
    assert hint == "use a model in F16 or BF16, or an ordinary LoRA"


def test_a_partial_match_is_noted(tmp_path: Path) -> None:
    lora = read(tmp_path, {**factors(PROJ), **factors("other"), "lora_te.x": ((4,), "F16")})
    found = match(lora)
    assert found == LoraMatch(2, 5, ("other.lora_A.weight", "other.lora_B.weight", "lora_te.x"), ())
    assert check_match(lora, found, FAMILIES["flux2-klein"]) == (
        f"2 of the 5 tensors of '{LABEL}' are applied; the model has no weight for the others,"
        " for example 'other.lora_A.weight'"
    )


def refusal(lora: LoraFile, found: LoraMatch, family: str) -> tuple[str, str]:
    with pytest.raises(ModelFileError) as caught:
        check_match(lora, found, FAMILIES[family])
    return caught.value.message, caught.value.hint


def test_no_match_names_both_bases(tmp_path: Path) -> None:
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    lora = read(tmp_path, factors(module, 2048, 640))
    assert refusal(lora, match(lora), "flux1") == (
        f"'{LABEL}' is a LoRA for Stable Diffusion XL, and the model is FLUX.1",
        "use a LoRA that was made for FLUX.1",
    )


def test_a_partial_match_of_another_base_is_refused(tmp_path: Path) -> None:
    module = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    lora = read(tmp_path, {**factors(module, 2048, 640), **convolution(CONV)})
    assert match(lora).applied == 2
    assert refusal(lora, match(lora), "flux1")[0] == (
        f"'{LABEL}' is a LoRA for Stable Diffusion XL, and the model is FLUX.1"
    )


def test_a_whole_match_of_another_base_is_noted(tmp_path: Path) -> None:
    lora = read(tmp_path, factors(PROJ))
    assert check_match(lora, match(lora), FAMILIES["flux1"]) == (
        f"'{LABEL}' seems to be made for a small FLUX.2 klein, and the model is FLUX.1"
    )


def test_misfits_of_another_base_name_both_bases(tmp_path: Path) -> None:
    lora = read(tmp_path, factors("double_blocks.0.img_attn.qkv", 6144, 18432))
    assert refusal(lora, match(lora), "flux1")[0] == (
        f"'{LABEL}' is a LoRA for FLUX.2 dev, and the model is FLUX.1"
    )
    assert refusal(lora, match(lora), "flux2")[0] == (
        f"'{LABEL}' (FLUX.2 dev) does not fit the model in one module, for example"
        f" '{QKV}': it has 6,144 inputs, and the model 64"
    )


def test_no_match_of_an_unknown_base(tmp_path: Path) -> None:
    lora = read(tmp_path, factors("other"))
    assert refusal(lora, match(lora), "flux1") == (
        f"none of the 2 tensors of '{LABEL}' match the model, for example 'other.lora_A.weight'",
        "use a LoRA that was made for FLUX.1, with the names of ComfyUI, diffusers or kohya",
    )


def test_two_names_of_one_weight(tmp_path: Path) -> None:
    lora = read(tmp_path, {**factors(PROJ), **factors("second")})
    names = {name: engine_name(name.replace("second", PROJ)) for name in lora.tensors}
    with pytest.raises(ModelFileError) as caught:
        match_lora(lora, MODEL, names)
    assert caught.value.message == (
        f"'{LABEL}' changes the same weight twice: '{PROJ}.lora_A.weight' and"
        " 'second.lora_A.weight'"
    )


def test_attention_of_the_second_text_encoder_is_fused(tmp_path: Path) -> None:
    layer = "cond_stage_model.1.transformer.text_model.encoder.layers.0.self_attn"
    tensors = {
        name: tensor
        for part in "qkv"
        for name, tensor in factors(f"te2.self_attn.{part}_proj", kohya=True).items()
    }
    lora = read(tmp_path, tensors)
    endings = {"lora_down.weight": "lora_down", "lora_up.weight": "lora_up", "alpha": "alpha"}
    names = {
        name: f"lora.{layer}.{name.split('.')[2]}.weight.{endings[name.split('.', 3)[3]]}"
        for name in tensors
    }
    fused: dict[str, Shape] = {f"{layer}.in_proj.weight": (64, 192)}
    separate: dict[str, Shape] = {f"{layer}.{part}_proj.weight": (64, 64) for part in "qkv"}
    for model in (fused, separate):
        assert match_lora(lora, model, names) == LoraMatch(9, 9)


def test_a_misfit_names_the_module_in_the_file(tmp_path: Path) -> None:
    lora = read(tmp_path, {**factors(PROJ, 32), **factors(QKV, 64, 192)})
    assert match(lora).misfits == (Misfit(PROJ, "it has 32 inputs, and the model 64"),)
