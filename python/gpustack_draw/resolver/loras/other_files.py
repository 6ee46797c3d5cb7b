"""Refuse files that are no LoRAs, and kinds of LoRAs that the engine does not apply."""

import re
from collections.abc import Iterable

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import ModelHeader
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.detect_family import detect_family, identify_file
from gpustack_draw.resolver.loras.tensor_names import WEAK_ROLES, split_name
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES

# Kinds by a pattern of tensor names. The engine would ignore these tensors, and draw without the
# LoRA or with a part of it.
_UNSUPPORTED: tuple[tuple[str, str], ...] = (
    (r"(^|\.)(double|single)_blocks\.\d+\.processor\.", "a LoRA in XLabs' format"),
    (r"\.(dora_scale|lora_magnitude_vector(\.weight|\.\w+\.weight)?)$", "a DoRA"),
    (r"\.(oft_blocks|oft_diag|oft_R(\.\w+)?(\.weight)?|boft_[RS].*)$", "an OFT adapter"),
    (r"\.(on_input|ia3_l(\.\w+)?)$", "an (IA)³ adapter"),
    (r"\.lokr_t2$", "a LoKr with a Tucker core"),
    (r"\.(a1|a2|b1|b2)\.weight$", "a GLoRA"),
    (r"\.vera_lambda_[bd]$", "a VeRA adapter"),
)
_NAMED_ADAPTER = re.compile(r"\.lora_[AB]\.(?!default\.)([^.]+)\.weight$")
_ORDINARY_HINT = "use a version of it that was saved as an ordinary LoRA"
# Files that are mistaken for LoRAs, beside those that identify_file() knows.
_MISTAKEN: tuple[tuple[str, str], ...] = (
    (r"^lora_controlnet$", "a Control-LoRA, which the engine does not read"),
    (r"^(ip_adapter|image_proj)\.", "an IP-Adapter, which the engine does not read"),
    (
        r"^(adapter\.)?body\.\d+\.(resnets|block1)\.",
        "a T2I-Adapter, which the engine does not read",
    ),
    (r"^id_encoder\.", "a PhotoMaker, which this version does not use"),
)
# Arguments that take a file, by its description.
_ARGUMENTS = {
    "a textual inversion": "embedding",
    "a ControlNet": "control_net",
    "an upscaler": "upscale",
}


def check_is_lora(header: ModelHeader, label: str) -> None:
    """Check that a file is a LoRA of a kind that the engine applies.

    Raises:
        ModelFileError: It is something else, or of another kind.
    """
    names = header.tensors
    if mistaken := _described(_MISTAKEN, names):
        raise ModelFileError(f"{quoted(label)} is {mistaken}, not a LoRA", hint="name a LoRA")
    if kind := _described(_UNSUPPORTED, names):
        raise ModelFileError(
            f"{quoted(label)} is {kind}, which the engine does not apply", hint=_ORDINARY_HINT
        )
    if not any(split_name(name)[1] not in {"", *WEAK_ROLES} for name in names):
        raise _named_adapter(names, label) or _not_a_lora(header, label)


def _described(patterns: tuple[tuple[str, str], ...], names: Iterable[str]) -> str:
    for pattern, description in patterns:
        search = re.compile(pattern).search
        if any(map(search, names)):
            return description
    return ""


def _named_adapter(names: Iterable[str], label: str) -> ModelFileError | None:
    adapter = next(filter(None, map(_NAMED_ADAPTER.search, names)), None)
    if adapter is None:
        return None
    return ModelFileError(
        f"{quoted(label)} names its adapter {quoted(adapter[1])}, and the engine reads 'default'",
        hint="save the LoRA again without a name for the adapter",
    )


def _not_a_lora(header: ModelHeader, label: str) -> ModelFileError:
    family = detect_family(header)
    identity = identify_file(header)
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
