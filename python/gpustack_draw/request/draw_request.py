"""The checked request for pictures. Uses no file, no network and no engine."""

import operator
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_settings import random_seed
from gpustack_draw.request.hires_options import HiresKeywords, HiresOptions, checked_hires
from gpustack_draw.request.keywords import record_of
from gpustack_draw.request.loras import LoraKeywords, LoraOptions
from gpustack_draw.request.name_types import Sampler, Scheduler
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.options import COUNT, SAMPLING_OPTIONS, SEED
from gpustack_draw.request.picture_options import NO_PICTURES, PictureKeywords, PictureOptions
from gpustack_draw.request.sampling import SamplingKeywords, SamplingOptions
from gpustack_draw.request.target import Reference
from gpustack_draw.request.unknown_name import unknown_name
from gpustack_draw.request.web_ui_names import sampling_named

Size = tuple[int, int] | str

MAX_SIDE = 8192
NATIVE = "native"  # as a size: that of the pictures that the model was trained on
MAX_PROMPT_LENGTH = 10_000
# The time of the engine's tokenizers grows with the square of a word's length: 1,000 random letters
# take 0.25 s, 1,000 rare Chinese characters without punctuation about 1 s, 9,000 letters 50 s.
MAX_WORD_LENGTH = 1_000

_SIZE_HINT = f"a size is WIDTHxHEIGHT in pixels, each 1 to {MAX_SIDE}, for example 512x768"
_RUN = re.compile(r"\w+|\s+|[^\w\s]+")  # tokenizers break where these end
_INTEGER = re.compile(r"[+-]?[0-9]+")


def parse_size(text: str) -> tuple[int, int]:
    """Read a picture size.

    Args:
        text: ``WIDTHxHEIGHT``, also with ``X`` or ``×``, blanks around the numbers allowed.

    Returns:
        Width and height in pixels, each 1 to 8192.

    Raises:
        UsageError: The text is not such a size.
    """
    sides = [side.strip() for side in re.split("[xX×]", text)]
    if len(sides) != 2 or not all(_INTEGER.fullmatch(side) for side in sides):
        raise _size_error(f"{quoted(text)} is not WIDTHxHEIGHT")
    # More than 9 digits are too many in any case, and int() refuses thousands of them.
    width, height = (int(side[:10]) for side in sides)
    return _check_size(width, height, text)


def parse_size_option(text: str) -> tuple[int, int] | str:
    """Parse a size that is typed as text.

    Args:
        text: ``WIDTHxHEIGHT``, or ``native`` for the size that the model was trained for.

    Returns:
        Width and height in pixels, each 1 to 8192, or :data:`NATIVE`.

    Raises:
        UsageError: The text is neither.
    """
    return NATIVE if text.strip().lower() == NATIVE else parse_size(text)


class DrawKeywords(SamplingKeywords, LoraKeywords, HiresKeywords, PictureKeywords, total=False):
    """Keywords of the fields of :class:`DrawRequest`, but the prompt and the count.

    Those of :class:`PictureOptions` stand for ``pictures``.
    """

    negative_prompt: str | None
    size: Size | None
    sampler: Sampler | str | None
    scheduler: Scheduler | str | None
    seed: int | None
    upscale: Reference | None


@dataclass(frozen=True, kw_only=True)
class DrawRequest(SamplingOptions, LoraOptions, HiresOptions):
    """A request for pictures; ``None`` leaves the choice to the model.

    Its other fields are those of :class:`SamplingOptions`, of :class:`LoraOptions` and of
    :class:`HiresOptions`.

    Attributes:
        prompt: Up to 10,000 characters, words of up to 1,000; may be empty. Tags
            ``<lora:NAME:WEIGHT>`` name LoRAs.
        negative_prompt: What to avoid, with the same limits; has no effect if ``cfg_scale`` is 1.
            ``None`` becomes an empty text.
        size: ``(width, height)`` or ``"512x768"`` in pixels, each 1 to 8192, rounded up to what the
            model needs; or ``"native"`` for the size that the model was trained for. ``None`` for
            512x512 (``demo``: native; on a server, the model's default that it reports).
        sampler: One of :data:`gpustack_draw.SAMPLERS`; ``None`` for ``euler``, which GPUStack 2
            replaces by its own. Names of web UIs and ComfyUI are translated: ``DPM++ 2M Karras``
            also sets the scheduler.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`; names are translated in the same way.
        seed: Seed of the first picture, 0 to 2**63 - 1; ``None`` (or -1) for a random one.
        count: Number of pictures, 1 to 10000; their seeds count up.
        upscale: An upscaling model (ESRGAN) that enlarges each drawn picture on this machine: a
            path, or ``hf.co/OWNER/REPO[@REVISION][:FILE]``.
        pictures: The input pictures, and how they are used.

    Raises:
        UsageError: A value is out of its range or of another type.
    """

    prompt: str
    negative_prompt: str = ""
    size: Size | None = None
    sampler: Sampler | str | None = None
    scheduler: Scheduler | str | None = None
    seed: int | None = None
    count: int = 1
    upscale: Reference | None = None
    pictures: PictureOptions = NO_PICTURES

    def __post_init__(self) -> None:
        """Check every field; numbers of other libraries become Python's."""
        negative_prompt: object = self.negative_prompt
        if negative_prompt is None:  # as callers without type checkers write it
            object.__setattr__(self, "negative_prompt", "")
        _check_prompt(self.prompt, "prompt")
        _check_prompt(self.negative_prompt, "negative_prompt")
        LoraOptions.__post_init__(self)
        sampler, scheduler = _check_sampling(self.sampler, self.scheduler)
        checked: dict[str, object] = {
            "sampler": sampler,
            "scheduler": scheduler,
            "count": COUNT.check(self.count),
            "upscale": _check_reference(self.upscale),
            **checked_hires(self),
        }
        if self.size is not None:
            checked["size"] = _check_size_value(self.size)
        for option in (*SAMPLING_OPTIONS, SEED):
            value = getattr(self, option.name)
            if value is not None:
                checked[option.name] = option.check(value)
        _check_sigmas(checked)
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the way to set a field of a frozen dataclass
        if self.seed is not None and self.seed + self.count - 1 > SEED.maximum:
            raise UsageError(
                f"seed {self.seed} is too large for {self.count} pictures:"
                f" their seeds count up, and the largest is {SEED.maximum}",
                hint=f"the seed can be at most {SEED.maximum - self.count + 1}",
                argument="seed",
            )

    def with_seed(self) -> "DrawRequest":
        """Return this request, with a random seed if it has none."""
        return self if self.seed is not None else replace(self, seed=random_seed())


def _check_sigmas(checked: Mapping[str, object]) -> None:
    """Refuse the other options for the noise levels beside ``sigmas``.

    Raises:
        UsageError: One of them is chosen.
    """
    for name in ("scheduler", "sample_steps"):
        if checked.get("sigmas") is not None and checked.get(name) is not None:
            raise UsageError(
                phrase("{sigmas} and {} both choose the noise levels", Argument(name)),
                hint="leave one of them out",
                argument=name,
            )


def request_of(options: Mapping[str, object]) -> DrawRequest:
    """Return the request that keywords describe: fields of DrawRequest and of PictureOptions.

    Raises:
        UsageError: A value is not allowed, or lacks another that it needs.
    """
    pictures = record_of(PictureOptions, options) or NO_PICTURES  # equal to that of others
    return record_of(DrawRequest, {**options, "pictures": pictures})


def _check_reference(reference: object) -> str | None:
    """Check the reference of an upscaling model; a path becomes text."""
    text = os.fspath(reference) if isinstance(reference, os.PathLike) else reference
    if text is not None and not isinstance(text, str):
        raise UsageError(
            f"upscale is {type(text).__name__}, not text or a path: {quoted(reference)}",
            argument="upscale",
        )
    return text


def _check_size_value(size: object) -> tuple[int, int] | str:
    if isinstance(size, str):
        return parse_size_option(size)
    try:
        sides = list(size)  # type: ignore[call-overload]
        if len(sides) != 2 or any(isinstance(side, bool) for side in sides):
            raise TypeError
        return _check_size(operator.index(sides[0]), operator.index(sides[1]), size)
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise _size_error(f"{quoted(size)} is not a pair of whole numbers") from None


def _check_size(width: int, height: int, value: object) -> tuple[int, int]:
    if width < 0 or height < 0:
        raise _size_error(f"{quoted(value)} has a negative side")
    if width == 0 or height == 0:
        raise _size_error(f"{quoted(value)} has a side of 0 pixels")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise _size_error(f"{quoted(value)} has a side of more than {MAX_SIDE} pixels")
    return width, height


def _size_error(message: str) -> UsageError:
    return UsageError(message, hint=_SIZE_HINT, argument="size")


def _check_words(text: str, argument: str) -> None:
    title = argument.replace("_", " ")
    for run in _RUN.finditer(text):
        length = run.end() - run.start()
        if length > MAX_WORD_LENGTH:
            raise UsageError(
                f"the {title} has {length:,} characters without a break, more than"
                f" {MAX_WORD_LENGTH:,}: {quoted(run[0], limit=40)}",
                hint="put blanks or punctuation between the words",
                argument=argument,
            )


def _check_prompt(text: object, argument: str) -> None:
    title = argument.replace("_", " ")
    if not isinstance(text, str):
        raise UsageError(
            f"the {title} is {type(text).__name__}, not text: {quoted(text)}", argument=argument
        )
    if len(text) > MAX_PROMPT_LENGTH:
        raise UsageError(
            f"the {title} has {len(text):,} characters, more than {MAX_PROMPT_LENGTH:,}:"
            f" {quoted(text, limit=40)}",
            hint="models read the first few hundred words at most",
            argument=argument,
        )
    _check_words(text, argument)
    if "\0" in text:
        raise UsageError(f"the {title} has a NUL character: {quoted(text)}", argument=argument)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {title} has bytes that are not UTF-8, at character {error.start + 1}:"
            f" {quoted(text)}",
            hint="type it in a terminal, or save it from an editor, that uses UTF-8",
            argument=argument,
        ) from None


def _check_sampling(sampler: object, scheduler: object) -> tuple[str | None, str | None]:
    """Translate the names of a sampler and a scheduler into the engine's."""
    if sampler is not None and (not isinstance(sampler, str) or not sampler):
        raise unknown_name(sampler, SAMPLERS, "sampler")
    if scheduler is not None and (not isinstance(scheduler, str) or not scheduler):
        raise unknown_name(scheduler, SCHEDULERS, "scheduler")
    named = sampling_named(sampler or "", scheduler or "")
    if named.sampler and named.sampler not in SAMPLERS:
        raise unknown_name(sampler, SAMPLERS, "sampler")
    if named.scheduler and named.scheduler not in SCHEDULERS:
        if scheduler is None:
            raise unknown_name(sampler, SAMPLERS, "sampler")
        raise unknown_name(scheduler, SCHEDULERS, "scheduler")
    implied = sampling_named(sampler or "").scheduler
    if implied and named.scheduler != implied:
        raise UsageError(
            f"sampler {quoted(sampler)} implies the scheduler {quoted(implied)},"
            f" but the scheduler is {quoted(scheduler)}",
            hint=phrase(
                "type {sampler=} {scheduler=}", sampler=named.sampler, scheduler=named.scheduler
            ),
            argument="scheduler",
        )
    return named.sampler or None, named.scheduler or None
