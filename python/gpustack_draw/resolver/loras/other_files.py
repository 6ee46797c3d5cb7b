"""Refuse files that are no LoRAs, and types of LoRAs that the engine does not apply."""

import re
from collections.abc import Iterable

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.detect_family import detect_family, identify_file
from gpustack_draw.resolver.loras.tensor_names import WEAK_ROLES, split_name
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES

# Types by a pattern of tensor names. The engine would ignore these tensors, and draw without the
# LoRA or with a part of it.
_UNSUPPORTED: tuple[tuple[str, str], ...] = (
    (r"(^|\.)(double|single)_blocks\.\d+\.processor\.", "a LoRA in XLabs' format"),
    (r"\.(dora_scale|lora_magnitude_vector(\.weight|\.\w+\.weight)?)$", "a DoRA"),
    (r"\.(oft_blocks|oft_diag|oft_R(\.\w+)?(\.weight)?|boft_[RS].*)$", "an OFT adapter"),
    (r"\.(on_input|ia3_l(\.\w+)?)$", "an (IA)³ adapter"),
    (r"\.lokr_t2$", "a LoKr with a Tucker core"),
    (r"\.(a1|a2|b1|b2)\.weight$", "a GLoRA"),
    (r"\.vera_lambda_[bd]$", "a VeRA adapter"),
    (r"^blk\.\d+\..*\.lora_[ab]$", "a LoRA for a language model of llama.cpp"),
)
_ORDINARY_HINT = "use a version of it that was saved as an ordinary LoRA"
_LORA = "a LoRA"  # as identify_file() describes it
# Other additions to models, beside those that identify_file() knows.
_UNUSED_ADDITIONS: tuple[tuple[str, str], ...] = (
    (r"^lora_controlnet$", "a Control-LoRA"),
    (r"^(ip_adapter|image_proj)\.", "an IP-Adapter"),
    (r"^(adapter\.)?body\.\d+\.(resnets|block1)\.", "a T2I-Adapter"),
    (r"^id_encoder\.", "a PhotoMaker"),
)
# Arguments that take a file, by its description.
_ARGUMENTS = {
    "a textual inversion": "embeddings",
    "an upscaler": "upscale",
}


def unused_addition(header: ModelHeader) -> str:
    """Describe an addition that this version does not use; empty for all other files."""
    return _described(_UNUSED_ADDITIONS, header.tensors)


def has_lora_tensors(header: ModelHeader) -> bool:
    """Return True if a file has tensors of a LoRA, also of a type that the engine lacks."""
    return (
        _has_known_factors(header)
        or bool(_described(_UNSUPPORTED, header.tensors))
        or identify_file(header) == _LORA
    )


def _has_known_factors(header: ModelHeader) -> bool:
    return any(split_name(name)[1] not in {"", *WEAK_ROLES} for name in header.tensors)


def check_is_lora(header: ModelHeader, label: str) -> None:
    """Check that a file is a LoRA of a type that the engine applies.

    Raises:
        ModelFileError: It is something else, or of another type.
    """
    names = header.tensors
    if addition := unused_addition(header):
        raise ModelFileError(
            f"{quoted(label)} is {addition}, which this version does not use", hint="name a LoRA"
        )
    if unsupported := _described(_UNSUPPORTED, names):
        raise ModelFileError(
            f"{quoted(label)} is {unsupported}, which the engine does not apply",
            hint=_ORDINARY_HINT,
        )
    if not _has_known_factors(header):
        raise _not_a_lora(header, label)


def _described(patterns: tuple[tuple[str, str], ...], names: Iterable[str]) -> str:
    for pattern, description in patterns:
        search = re.compile(pattern).search
        if any(map(search, names)):
            return description
    return ""


def _not_a_lora(header: ModelHeader, label: str) -> ModelFileError:
    family = detect_family(header)
    identity = identify_file(header)
    if identity == _LORA:
        example = next(iter(header.tensors))
        return ModelFileError(
            f"{quoted(label)} is a LoRA with names that the engine does not know, for example"
            f" {quoted(example)}",
            hint=_ORDINARY_HINT,
        )
    if family is not None:
        what, hint = f"a model ({family.title})", "name it as the model"
    elif identity in COMPONENTS:
        what, hint = COMPONENT_TITLES[identity], phrase("name it with {}", Argument(identity))
    elif identity in _ARGUMENTS:
        what, hint = identity, phrase("name it with {}", Argument(_ARGUMENTS[identity]))
    else:
        what, hint = identity, "name a LoRA"
    return ModelFileError(
        f"{quoted(label)} is {what}, not a LoRA"
        if what
        else f"{quoted(label)} is not a LoRA: it has no tensor of one",
        hint=hint,
    )
