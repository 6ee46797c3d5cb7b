"""The options of a second pass, which draws a picture again in a larger size."""

import os
from dataclasses import dataclass
from typing import TypedDict

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.name_types import HiresUpscaler
from gpustack_draw.request.names import HIRES_UPSCALERS
from gpustack_draw.request.options import HIRES, HIRES_STEPS, HIRES_STRENGTH
from gpustack_draw.request.unknown_name import unknown_name
from gpustack_draw.request.web_ui_names import hires_upscaler_named

DEFAULT_SCALE = 2.0
DEFAULT_UPSCALER = "lanczos"
DEFAULT_HIRES_STRENGTH = 0.5
# Endings of files that can have an upscaling model.
_ENDINGS = (".pth", ".pt", ".safetensors", ".gguf", ".ckpt")
# The options that need a second pass.
_DETAILS = ("hires_upscaler", "hires_steps", "hires_strength")


class HiresKeywords(TypedDict, total=False):
    """Keywords of the fields of :class:`HiresOptions`."""

    hires: float | bool | None
    hires_upscaler: HiresUpscaler | str | None
    hires_steps: int | None
    hires_strength: float | None


@dataclass(frozen=True, kw_only=True)
class HiresOptions:
    """The options of a second pass, which draws a picture again in a larger size.

    Attributes:
        hires: Factor by which the picture is enlarged before the second pass, above 1 and up to 4;
            ``True`` for 2, ``None`` or ``False`` for a single pass.
        hires_upscaler: One of ``gpustack_draw.request.names.HIRES_UPSCALERS``: ``lanczos`` and
            ``nearest`` enlarge the pixels, the ``latent`` ones the latent; ``None`` for
            ``lanczos``. Names of web UIs are translated: ``Latent (nearest)``. Or an upscaling
            model (ESRGAN): a path, or ``hf.co/OWNER/REPO[@REVISION][:FILE]``.
        hires_steps: Sampling steps that the second pass runs, 1 to 1000; ``None`` for as many as
            an input picture of that strength gets.
        hires_strength: How much of the enlarged picture is redrawn, 0 to 1; ``None`` for 0.5.
    """

    hires: float | bool | None = None
    hires_upscaler: HiresUpscaler | str | None = None
    hires_steps: int | None = None
    hires_strength: float | None = None


def checked_hires(options: HiresOptions) -> dict[str, object]:
    """Return the checked values of options, by name.

    Raises:
        UsageError: A value is not allowed, or there is no second pass that it is about.
    """
    scale = _check_scale(options.hires)
    for name in _DETAILS:
        if scale is None and getattr(options, name) is not None:
            raise UsageError(
                phrase("{} needs a second pass", Argument(name)),
                hint=phrase("draw one with {hires=2}"),
                argument=name,
            )
    checked: dict[str, object] = {"hires": scale}
    if options.hires_upscaler is not None:
        checked["hires_upscaler"] = check_upscaler(options.hires_upscaler)
    if options.hires_steps is not None:
        checked["hires_steps"] = HIRES_STEPS.check(options.hires_steps)
    if options.hires_strength is not None:
        checked["hires_strength"] = HIRES_STRENGTH.check(options.hires_strength)
    return checked


def _check_scale(value: object) -> float | None:
    if value is None or value is False:
        return None
    return DEFAULT_SCALE if value is True else HIRES.check(value)


def check_upscaler(value: object) -> str:
    """Check an upscaler, and translate the name of one.

    Args:
        value: The name of an upscaler, or the reference of an upscaling model. A path is one, and
            so is a text that looks like one.

    Returns:
        One of ``HIRES_UPSCALERS``, or the reference.

    Raises:
        UsageError: The value is neither.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, str):
        name = hires_upscaler_named(text)
        if name or isinstance(value, os.PathLike) or _is_reference(text):
            return name or text
    raise unknown_name(value, HIRES_UPSCALERS, "hires_upscaler", title="hires upscaler")


def _is_reference(text: str) -> bool:
    """Return True for a path, the name of a file, or an address on Hugging Face."""
    is_path = os.path.lexists(text) or os.path.basename(text) != text  # noqa: PTH119 - of any system
    return is_path or text.lower().endswith(_ENDINGS)
