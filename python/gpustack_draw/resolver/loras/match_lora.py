"""Match the tensors of a LoRA with those of a model, as the engine does when it draws."""

import re
from collections.abc import Collection, Mapping

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.loras.check_modules import check_module
from gpustack_draw.resolver.loras.fit import Shape, misfit_of, rebuilds_weight
from gpustack_draw.resolver.loras.lora_file import LoraFile, LoraMatch, LoraModule, Misfit
from gpustack_draw.resolver.loras.tensor_names import module_of

_FACTORS = frozenset(
    (
        *("lora_down", "lora_up", "lora_mid", "alpha", "scale", "diff"),
        *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
        *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"),
    )
)
# "lora.X.qkv.weight.1.lora_down" is a factor of the second part of a joined weight.
_NAME = re.compile(r"lora\.(?P<weight>.+?)(?:\.(?P<part>[0-9]{1,2}))?\.(?P<factor>[^.]+)")
# The engine keeps the attention of SDXL's second text encoder in one matrix, and renames the
# tensors of LoRAs for it (``preprocess_lora_tensors()`` in its ``src/lora.hpp``).
_SECOND_ENCODER = "cond_stage_model.1.transformer.text_model.encoder.layers."
_JOINED_ATTENTION = f"{_SECOND_ENCODER}0.self_attn.in_proj.weight"
_SEPARATE_ATTENTION = re.compile(r"self_attn\.([qkv])_proj\.(weight|bias)")
_ATTENTION_PARTS = {"q": "", "k": ".1", "v": ".2"}
# Weights whose parts are apart in the names of other programs.
_JOINED = (".qkv.weight", ".in_proj.weight", ".linear1.weight")

_DOWNSAMPLER = ".op.weight"  # of UNets
_QUANTIZED = "the engine adds LoHa and differences to weights in F32, F16 or BF16 only"
_QUANTIZED_HINT = "use a model in F16 or BF16, or an ordinary LoRA"

# The LoRA's tensors by factor, with the names in its file, by part of a weight of the model.
_Parts = dict[int, dict[str, str]]


def match_lora(
    lora: LoraFile,
    model: Mapping[str, Shape],
    names: Mapping[str, str],
    quantized: Collection[str] = (),
) -> LoraMatch:
    """Match a LoRA with a model.

    Args:
        lora: The LoRA.
        model: Shapes of the model's tensors, fastest dimension first, by the engine's names.
        names: The engine's names of the LoRA's tensors, by their names in the file.
        quantized: The engine's names of the model's tensors that are quantized.

    Raises:
        ModelFileError: The engine has the same name for two tensors of the LoRA, or for the
            factors of different modules.
    """
    applied, misfits = set[str](), []
    for weight, names_by_part in _weights(lora, model, names).items():
        parts = {number: _shapes(lora, part) for number, part in sorted(names_by_part.items())}
        tensors = [name for part in names_by_part.values() for name in part.values()]
        applied.update(tensors)
        reason = misfit_of(
            parts,
            model[weight],
            is_joined=weight.endswith(_JOINED),
            has_stride=weight.endswith(_DOWNSAMPLER),
        )
        if reason:
            misfits.append(Misfit(module_of(tensors[0]), reason))
        elif weight in quantized and any(map(rebuilds_weight, parts.values())):
            misfits.append(Misfit(module_of(tensors[0]), _QUANTIZED, _QUANTIZED_HINT))
    unmatched = tuple(name for name in lora.tensors if name not in applied)
    return LoraMatch(len(applied), len(lora.tensors), unmatched, tuple(misfits))


def check_match(lora: LoraFile, match: LoraMatch, family: Family) -> str:
    """Check that a LoRA can be applied to a model.

    Args:
        lora: The LoRA.
        match: From :func:`match_lora`.
        family: Family of the model.

    Returns:
        A note on a LoRA that fits only in part or seems to be made for another base; empty
        otherwise.

    Raises:
        ModelFileError: The LoRA is made for another model, or does not fit the weights of this one.
    """
    other = lora.base if lora.base is not None and family.name not in lora.base.families else None
    # LoRAs of other bases can share a few modules, such as those of a text encoder.
    if other is not None and (match.misfits or match.unmatched):
        raise ModelFileError(
            f"{quoted(lora.label)} is a LoRA for {other.title}, and the model is {family.title}",
            hint=f"use a LoRA that was made for {family.title}",
        )
    if not match.applied:
        raise _no_match(lora, match, family)
    if match.misfits:
        raise _misfit(lora, match)
    if other is not None:
        return (
            f"{quoted(lora.label)} seems to be made for {other.title}, and the model is"
            f" {family.title}"
        )
    if not match.unmatched:
        return ""
    return (
        f"{match.applied:,} of the {match.total:,} tensors of {quoted(lora.label)} are applied;"
        f" the model has no weight for the others, for example {quoted(match.unmatched[0])}"
    )


def _no_match(lora: LoraFile, match: LoraMatch, family: Family) -> ModelFileError:
    return ModelFileError(
        f"none of the {match.total:,} tensors of {quoted(lora.label)} match the model,"
        f" for example {quoted(match.unmatched[0])}",
        hint=f"use a LoRA that was made for {family.title}, with the names of ComfyUI,"
        " diffusers or kohya",
    )


def _misfit(lora: LoraFile, match: LoraMatch) -> ModelFileError:
    made_for = f" ({lora.base.title})" if lora.base is not None else ""
    first = match.misfits[0]
    return ModelFileError(
        f"{quoted(lora.label)}{made_for} does not fit the model in"
        f" {_modules(len(match.misfits))}, for example {quoted(first.name)}: {first.reason}",
        hint=first.hint,
    )


def _modules(count: int) -> str:
    return f"{count:,} modules" if count > 1 else "one module"


def _weights(
    lora: LoraFile, model: Mapping[str, Shape], names: Mapping[str, str]
) -> dict[str, _Parts]:
    """Return the LoRA's tensors by weight of the model, without those that match none."""
    weights: dict[str, _Parts] = {}
    for name in lora.tensors:
        found = _NAME.fullmatch(_joined(names.get(name, ""), model))
        if found is None or found["weight"] not in model or found["factor"] not in _FACTORS:
            continue
        parts = weights.setdefault(found["weight"], {})
        part = parts.setdefault(int(found["part"] or 0), {})
        factor = found["factor"].removeprefix("lora_")
        if factor in part:
            raise ModelFileError(
                f"{quoted(lora.label)} changes the same weight twice: {quoted(part[factor])} and"
                f" {quoted(name)}",
                hint="use another file of the same LoRA",
            )
        part[factor] = name
    return weights


def _joined(name: str, model: Mapping[str, Shape]) -> str:
    """Return the engine's name of a tensor for the attention of SDXL's second text encoder."""
    if _SECOND_ENCODER not in name or _JOINED_ATTENTION not in model:
        return name
    return _SEPARATE_ATTENTION.sub(
        lambda found: f"self_attn.in_proj.{found[2]}{_ATTENTION_PARTS[found[1]]}", name
    )


def _shapes(lora: LoraFile, part: Mapping[str, str]) -> dict[str, Shape]:
    """Return the shapes of a part's factors, which fit together also by the engine's names.

    Raises:
        ModelFileError: A factor is missing, or they do not fit together.
    """
    tensors = {factor: lora.tensors[name] for factor, name in part.items()}
    check_module(LoraModule(module_of(next(iter(part.values()))), tensors), lora.label)
    return {factor: tensor.shape for factor, tensor in tensors.items()}
