"""The numbers that a user can choose, each declared once: name, range, title and help.

The parser of the command line, the checks of DrawRequest, the summary of a picture and its
parameters text derive from these declarations. ``--help`` imports this module, so it imports
nothing that takes long.
"""

import math
import operator
import re

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Compiling these takes long, so they are compiled when the first value is read.
_INTEGER = r"[+-]?[0-9]+"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


class NumberOption:
    """A number that a user can choose.

    Attributes:
        name: Keyword of the library, and field of DrawRequest.
        title: Noun for messages, such as ``seed``.
        minimum: Smallest value.
        maximum: Largest value.
        help: Text for ``--help``.
        parameter: Name in the parameters text of pictures; empty for an option that it lacks.
        summary: Format of its values in summaries, such as ``cfg {}``.
        server_fields: Names in requests to a server: each backend reads one and ignores the others.
            Empty for an option that no backend has.
        samplers: Samplers that it has an effect on; empty for all.
        fixed_schedulers: Schedulers that it has no effect on.
    """

    metavar = "N"

    def __init__(
        self,
        name: str,
        *,
        title: str,
        minimum: float,
        maximum: float,
        example: str,
        help: str,  # noqa: A002 - as argparse names it
        parameter: str = "",
        summary: str = "{}",
        server_fields: "tuple[str, ...]" = (),
        samplers: "tuple[str, ...]" = (),
        fixed_schedulers: "tuple[str, ...]" = (),
    ) -> None:
        """Declare an option; hints contain ``example``."""
        self.name = name
        self.title = title
        self.minimum = minimum
        self.maximum = maximum
        self.help = help
        self.parameter = parameter
        self.summary = summary
        self.server_fields = server_fields
        self.samplers = samplers
        self.fixed_schedulers = fixed_schedulers
        self._example = example

    def describe(self, value: float) -> str:
        """Return a value as a summary shows it, such as ``cfg 4.5``."""
        return self.summary.format(f"{value:g}")

    def error(self, value: object) -> UsageError:
        """Build the error for a value that is not allowed."""
        return UsageError(
            f"{quoted(value)} is not a {self.title} from {self.minimum} to {self.maximum}",
            hint=phrase("for example {}", self._example),
            argument=self.name,
        )


class IntegerOption(NumberOption):
    """A whole number."""

    def parse(self, text: str) -> int:
        """Parse a typed value.

        Raises:
            UsageError: It is not a whole number in the option's range.
        """
        return _parse_integer(self, text)

    def check(self, value: object) -> int:
        """Check a Python value; integers of other libraries become ``int``.

        Raises:
            UsageError: It is not a whole number in the option's range.
        """
        return _check_integer(self, value)


class StepsOption(IntegerOption):
    """A number of steps, which a summary shows as ``20 steps``."""

    def describe(self, value: float) -> str:
        """Return a value as a summary shows it."""
        return "1 step" if value == 1 else super().describe(value)


class SeedOption(NumberOption):
    """A seed; -1 stands for a random one, which is ``None``."""

    def parse(self, text: str) -> int | None:
        """Parse a typed value.

        Raises:
            UsageError: It is neither -1 nor a seed.
        """
        return None if text.strip() == "-1" else _parse_integer(self, text)

    def check(self, value: object) -> int | None:
        """Check a Python value; integers of other libraries become ``int``.

        Raises:
            UsageError: It is neither -1 nor a seed.
        """
        try:
            if not isinstance(value, bool) and operator.index(value) == -1:  # type: ignore[arg-type]
                return None
        except TypeError:
            pass  # the check raises the error
        return _check_integer(self, value)


class DecimalOption(NumberOption):
    """A finite number."""

    metavar = "X"

    def parse(self, text: str) -> float:
        """Parse a typed value.

        Raises:
            UsageError: It is not a number in the option's range; NaN and infinity never are.
        """
        stripped = text.strip()
        # No value needs more characters, and the pattern takes long for many digits.
        if len(stripped) > 40 or not re.fullmatch(_DECIMAL, stripped):
            raise self.error(text)
        return self._in_range(float(stripped), text)

    def check(self, value: object) -> float:
        """Check a Python value; numbers of other libraries become ``float``.

        Raises:
            UsageError: It is not a number in the option's range; NaN and infinity never are.
        """
        if isinstance(value, bool | str | bytes):
            raise self.error(value)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise self.error(value) from None
        return self._in_range(number, value)

    def _in_range(self, number: float, original: object) -> float:
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise self.error(original)
        return number + 0.0  # -0.0 becomes 0.0


SamplingOption = IntegerOption | DecimalOption


def _parse_integer(option: NumberOption, text: str) -> int:
    stripped = text.strip()
    # No range has numbers of more than 20 digits, and int() takes long for many digits.
    if not re.fullmatch(_INTEGER, stripped) or len(stripped) > 20:
        raise option.error(text)
    number = int(stripped)
    if not option.minimum <= number <= option.maximum:
        raise option.error(text)
    return number


def _check_integer(option: NumberOption, value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise option.error(value) from None
    if isinstance(value, bool) or not option.minimum <= number <= option.maximum:
        raise option.error(value)
    return number


SAMPLE_STEPS = StepsOption(
    "sample_steps",
    title="number of sample steps",
    minimum=1,
    maximum=10_000,
    example=phrase("{sample_steps=20}"),
    help="number of sampling steps, 1 to 10000 (default: the model's)",
    parameter="Steps",
    summary="{} steps",
    server_fields=("sample_steps", "num_inference_steps"),
)
CFG_SCALE = DecimalOption(
    "cfg_scale",
    title="guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{cfg_scale=4.5}; 1 switches guidance off"),
    help="classifier-free guidance scale, 0 to 100; higher follows the prompt more closely, 1"
    " turns guidance off (default: the model's)",
    parameter="CFG scale",
    summary="cfg {}",
    server_fields=("cfg_scale", "true_cfg_scale", "guidance_scale"),
)
GUIDANCE = DecimalOption(
    "guidance",
    title="distilled guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{guidance=3.5}"),
    help="distilled guidance scale of FLUX models, 0 to 100; has no effect on other families"
    " (default: the model's)",
    parameter="Distilled CFG Scale",
    summary="guidance {}",
    server_fields=("guidance",),
)
IMG_CFG_SCALE = DecimalOption(
    "img_cfg_scale",
    title="image guidance scale",
    minimum=0,
    maximum=100,
    example=phrase("{img_cfg_scale=1.5}"),
    help="guidance scale of the input picture, 0 to 100; higher stays closer to it; has an effect"
    " on models that were trained to inpaint, FLUX.1 Control, Flex.2, InstructPix2Pix and"
    " CosXL-Edit only (default: the model's, else the guidance scale)",
    parameter="Image CFG scale",
    summary="image cfg {}",
)
CLIP_SKIP = IntegerOption(
    "clip_skip",
    title="CLIP skip",
    minimum=1,
    maximum=12,  # layers of CLIP-L, the smallest of the encoders
    example=phrase("{clip_skip=2}"),
    help="layer of the CLIP text encoders to use, counted from the last, 1 to 12; has an effect on"
    " Stable Diffusion models only (default: the model's)",
    parameter="Clip skip",
    summary="clip skip {}",
)
ETA = DecimalOption(
    "eta",
    title="noise multiplier",
    minimum=0,
    maximum=1,
    example=phrase("{eta=0.5}"),
    help="share of new noise in each step, 0 (none) to 1; has an effect on samplers that add noise:"
    " euler_a, dpm++2s_a, ddim_trailing, tcd, res_multistep, res_2s and er_sde (default: the"
    " sampler's)",
    parameter="Eta",
    summary="eta {}",
    samplers=(
        "euler_a",
        "dpm++2s_a",
        "ddim_trailing",
        "tcd",
        "res_multistep",
        "res_2s",
        "er_sde",
    ),
)
FLOW_SHIFT = DecimalOption(
    "flow_shift",
    title="flow shift",
    minimum=0.01,
    maximum=20,
    example=phrase("{flow_shift=3}"),
    help="shift of the noise schedule of flow models, 0.01 to 20; higher spends more steps on the"
    " composition, lower on details; has no effect on FLUX.2 and on Stable Diffusion 1, 2 and XL"
    " (default: the model's)",
    parameter="Shift",
    summary="shift {}",
    fixed_schedulers=("gits",),
)
SEED = SeedOption(
    "seed",
    title="seed",
    minimum=0,
    maximum=2**63 - 1,
    example=phrase("{seed=7}, or {seed=-1} for a random one"),
    help="seed, 0 to 9223372036854775807, or -1 for a random one; the same seed draws the same"
    " picture (default: random, and printed)",
    parameter="Seed",
)
COUNT = IntegerOption(
    "count",
    title="number of pictures",
    minimum=1,
    maximum=10_000,
    example=phrase("{count=4}"),
    help="number of pictures, 1 to 10000; each seed is one more than the last (default: 1)",
)
STRENGTH = DecimalOption(
    "strength",
    title="strength",
    minimum=0,
    maximum=1,
    example=phrase("{strength=0.5}; 0 keeps the picture, 1 replaces it"),
    help="how much of the input picture is redrawn, 0 (nothing) to 1 (everything); a model that was"
    " trained to edit then starts from it (default: 0.75; for models trained to inpaint: 1)",
    parameter="Denoising strength",
    summary="strength {}",
)
MASK_BLUR = IntegerOption(
    "mask_blur",
    title="mask blur",
    minimum=0,
    maximum=64,
    example="8; 0 makes a hard edge",
    help="half the width in pixels of the blended border around a mask, 0 to 64 (default: 4)",
    parameter="Mask blur",
)
THREADS = IntegerOption(
    "threads",
    title="number of threads",
    minimum=1,
    maximum=512,  # ggml's GGML_MAX_N_THREADS
    example=phrase("{threads=4}"),
    help="number of CPU threads, 1 to 512 (default: one per core)",
)

# The numbers that decide how a picture is sampled: the fields of SamplingOptions.
SAMPLING_OPTIONS: "tuple[SamplingOption, ...]" = (
    SAMPLE_STEPS,
    CFG_SCALE,
    GUIDANCE,
    IMG_CFG_SCALE,
    CLIP_SKIP,
    ETA,
    FLOW_SHIFT,
)


def describe_sampling(settings: object) -> list[str]:
    """Return the known sampling numbers of settings as a summary shows them.

    Args:
        settings: An object with the fields of :data:`SAMPLING_OPTIONS`, such as DrawSettings.
    """
    values: list[tuple[Any, Any]] = [
        (option, getattr(settings, option.name)) for option in SAMPLING_OPTIONS
    ]
    return [option.describe(value) for option, value in values if value is not None]
