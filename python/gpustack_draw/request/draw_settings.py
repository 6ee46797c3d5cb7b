"""The settings of one picture: a request with every open value filled in."""

from dataclasses import dataclass, fields

from gpustack_draw.request.loras import LoraSettings
from gpustack_draw.request.names import LATENT_UPSCALERS
from gpustack_draw.request.options import (
    CONTROL_STRENGTH,
    HIRES_STEPS,
    HIRES_STRENGTH,
    STRENGTH,
)
from gpustack_draw.request.sampling import SamplingOptions

# Seeds drawn at random stay below this: short enough to read out and to type again.
RANDOM_SEED_END = 2**32
# The command's documented size, whatever the model was trained for.
DEFAULT_SIZE = (512, 512)
DEFAULT_SAMPLER = "euler"
DEFAULT_CONTROL_STRENGTH = 1.0


def random_seed() -> int:
    """Return a random seed below :data:`RANDOM_SEED_END`."""
    import secrets

    return secrets.randbelow(RANDOM_SEED_END)


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How a drawing uses its input pictures, which are named by the start of their SHA-256 digest.

    Attributes:
        image_hash: The picture that it starts from; empty for none.
        mask_hash: The picture of the mask; empty for none.
        reference_hashes: The pictures that the model looks at.
        control_hash: The control picture; empty for none.
        control_net: Name of the ControlNet that follows it; empty for none.
        canny: Whether the drawing follows the edges of the control picture.
        mask_invert: Whether the black area of the mask is redrawn.
        mask_blur: Half the width, in pixels, of the blended border; ``None`` without a mask.
        masked_only: Pixels around the masked area, which is drawn alone; ``None`` if the whole
            picture is drawn.
        expand: Pixels added at the top, right, bottom and left; ``None`` for none.
        fit: How the pictures are fitted to the size of the request; ``None`` if the size follows
            from the pictures.
    """

    image_hash: str = ""
    mask_hash: str = ""
    reference_hashes: tuple[str, ...] = ()
    control_hash: str = ""
    control_net: str = ""
    canny: bool = False
    mask_invert: bool = False
    mask_blur: int | None = None
    masked_only: int | None = None
    expand: tuple[int, int, int, int] | None = None
    fit: str | None = None


@dataclass(frozen=True, kw_only=True)
class HiresSettings:
    """The second pass of a drawing.

    Attributes:
        scale: Factor by which the request enlarges the picture.
        width: Pixels of the finished picture, a multiple of what the model needs.
        height: Pixels, likewise.
        upscaler: One of ``gpustack_draw.request.names.HIRES_UPSCALERS``, or the name of the
            upscaling model.
        steps: Sampling steps that are run.
        strength: How much of the enlarged picture is redrawn, 0 to 1.
        reference: Reference that names the upscaling model on any machine; empty for a local file,
            and without such a model.
    """

    scale: float
    width: int
    height: int
    upscaler: str
    steps: int
    strength: float
    reference: str = ""

    @property
    def is_latent(self) -> bool:
        """True if the engine enlarges the latent, False if the pixels are enlarged."""
        return self.upscaler in LATENT_UPSCALERS

    def describe(self) -> str:
        """Return the second pass as a summary shows it."""
        steps, strength = HIRES_STEPS.describe(self.steps), HIRES_STRENGTH.describe(self.strength)
        return f"hires {self.width}x{self.height} ({self.upscaler}, {steps}, {strength})"


@dataclass(frozen=True, kw_only=True)
class PlannedSettings(SamplingOptions):
    """Settings of a drawing: the values of the request, and defaults for the others.

    ``None`` stands for a value that the server chooses, and for a number that the model does not
    take. Its other fields are those of :class:`SamplingOptions`.

    Attributes:
        width: Pixels of the first pass, a multiple of what the model needs.
        height: Pixels, likewise.
        sampler: One of :data:`gpustack_draw.SAMPLERS`.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
        mode: ``txt2img``, ``img2img`` (starts from a picture), ``inpaint`` (redraws a part of it),
            ``edit`` (looks at pictures) or ``control`` (follows a control picture).
        strength: How much of the picture is redrawn, 0 to 1; ``None`` unless a drawing starts from
            a picture.
        references: Number of pictures that the model looks at.
        loras: The LoRAs that it uses.
        control_strength: How closely it follows the control picture, 0 to 2; ``None`` unless a
            ControlNet does.
        hires: The second pass; ``None`` for a single one.
    """

    width: int
    height: int
    sampler: str | None
    scheduler: str | None
    mode: str = "txt2img"
    strength: float | None = None
    references: int = 0
    loras: tuple[LoraSettings, ...] = ()
    control_strength: float | None = None
    hires: HiresSettings | None = None


def describe_mode(settings: PlannedSettings) -> list[str]:
    """Return how input pictures are used as a summary shows it; empty without any."""
    texts = [] if settings.mode == "txt2img" else [settings.mode]
    if settings.strength is not None:
        texts.append(STRENGTH.describe(settings.strength))
    if settings.references:
        plural = "" if settings.references == 1 else "s"
        texts.append(f"{settings.references} reference picture{plural}")
    if settings.control_strength is not None:
        texts.append(CONTROL_STRENGTH.describe(settings.control_strength))
    return texts


def describe_size(settings: PlannedSettings, more: str = "") -> list[str]:
    """Return the sizes of both passes as a summary shows them.

    Args:
        settings: The settings.
        more: Text after the size of the first pass.
    """
    texts = [f"{settings.width}x{settings.height}{more}"]
    return texts if settings.hires is None else [*texts, settings.hires.describe()]


@dataclass(frozen=True, kw_only=True)
class DrawSettings(PlannedSettings):
    """Every effective value of one picture: those of :class:`PlannedSettings` and the following.

    Attributes:
        prompt: Text to draw.
        negative_prompt: Text to avoid.
        seed: 0 to 2**63 - 1.
        pictures: How input pictures are used; ``None`` without any.
    """

    prompt: str
    negative_prompt: str
    seed: int
    pictures: PictureSettings | None = None

    def planned(self) -> PlannedSettings:
        """Return the values that do not depend on the prompts and the seed."""
        names = [field.name for field in fields(PlannedSettings)]
        return PlannedSettings(**{name: getattr(self, name) for name in names})
