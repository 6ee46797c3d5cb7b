"""The drawings of the engine for a picture: one, or a second one in a larger size."""

from dataclasses import dataclass, replace
from typing import Any

from gpustack_draw.engine.engine_settings import engine_settings
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.picture_numbers import picture_numbers
from gpustack_draw.engine.results import DrawResult
from gpustack_draw.inputs.enlarge import enlarge_for_second_pass
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.request.draw_settings import DrawSettings, HiresSettings
from gpustack_draw.request.web_ui_names import HIRES_UPSCALER_TITLES
from gpustack_draw.resolver.denoising_start import (
    SCHEDULER_BESIDE_SIGMAS,
    DenoisingStart,
    start_of_run,
)
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.plan_drawing import Drawing
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.upscaler import Upscaler


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One drawing of the engine.

    Attributes:
        settings: What to draw.
        pictures: The pictures that it starts from or looks at; ``None`` for none.
        start: The steps to run; ``None`` for those that follow from the strength.
        upscaler: The upscaling model that enlarges the picture for a second pass.
    """

    settings: DrawSettings
    pictures: PreparedPictures | None = None
    start: DenoisingStart | None = None
    upscaler: Upscaler | None = None

    @classmethod
    def first(cls, drawing: Drawing, settings: DrawSettings) -> "Pass":
        """Return the first pass of a planned drawing."""
        return cls(settings=settings, pictures=drawing.pictures, upscaler=drawing.upscaler)

    @property
    def is_drawn_again(self) -> bool:
        """True if a second pass follows; the engine draws both itself with a latent upscaler."""
        hires = self.settings.hires
        return hires is not None and not hires.is_latent

    @property
    def alone(self) -> "Pass":
        """This pass as a drawing without a second one."""
        return replace(self, settings=replace(self.settings, hires=None), upscaler=None)

    def needs_encoder(self, family: Family) -> bool:
        """Return True if the drawing needs the encoder of the VAE, in this pass or a second one.

        Args:
            family: The family of the model; a ControlNet reads the pixels of the control picture.
        """
        if self.is_drawn_again:
            return True
        if self.pictures is None:
            return False
        pictures = self.pictures.engine
        is_encoded = pictures.image is not None or bool(pictures.references)
        return is_encoded or not family.pictures.control_net

    @property
    def upscaler_path(self) -> str:
        """Absolute path of the upscaling model."""
        assert self.upscaler is not None
        return str(self.upscaler.path.absolute())

    @property
    def upscaler_bytes(self) -> int:
        """Size of the upscaling model; 0 for none."""
        return 0 if self.upscaler is None else self.upscaler.bytes

    def finished(self, drawn: DrawResult) -> memoryview:
        """Return the finished picture of this pass, with the input picture around a mask.

        Args:
            drawn: As the engine drew it.

        Returns:
            (height, width, 3) uint8, contiguous.
        """
        pixels = _raster(drawn).pixels
        return pixels if self.pictures is None else self.pictures.finish_bytes(pixels)

    def keywords(self, model: ResolvedModel) -> dict[str, Any]:
        """Return the keywords of :meth:`CoreEngine.draw` that say what to draw.

        Args:
            model: The model.
        """
        settings, family = self.settings, model.family
        upscaler, numbers = latent_options(settings)
        keywords: dict[str, Any] = {
            "settings": engine_settings(settings, model),
            "hires_upscaler": upscaler,
            "numbers": numbers,
        }
        if self.pictures is not None:
            pictures = self.pictures.engine
            numbers |= picture_numbers(pictures, settings, family, settings.strength, self.start)
            keywords["pictures"] = InputBuffers.of(pictures)
            keywords["canny"] = pictures.canny
        return keywords


def second_pass(
    first: Pass, drawn: DrawResult, family: Family, enlarged: DrawResult | None = None
) -> Pass:
    """Return the pass that draws the picture of the first one again.

    It starts from the enlarged picture, as a drawing of that strength starts from an input picture.

    Args:
        first: The first pass, which is drawn again.
        drawn: Its picture.
        family: The family of the model.
        enlarged: The finished picture as an upscaling model has enlarged it; ``None`` for none.
    """
    hires = first.settings.hires
    assert hires is not None
    pictures = enlarge_for_second_pass(
        drawn.pixels,
        (drawn.width, drawn.height),
        (hires.width, hires.height),
        pictures=first.pictures,
        nearest=hires.upscaler == "nearest",
        enlarged=None if enlarged is None else _raster(enlarged).pixels,
        references_as_drawn="reference" in family.pictures.concatenated,
    )
    settings = replace(
        first.settings,
        width=hires.width,
        height=hires.height,
        sigmas=None,
        strength=hires.strength,
        hires=None,
    )
    return Pass(settings=settings, pictures=pictures, start=_start_of(hires, settings))


def latent_options(settings: DrawSettings) -> tuple[str, dict[str, float]]:
    """Return the engine's name of a latent upscaler and its numbers; empty without one.

    The engine makes a schedule of ``int(hires_steps / hires_strength)`` steps, and runs
    ``int(schedule * hires_strength) + 1`` of them.
    """
    hires = settings.hires
    if hires is None or not hires.is_latent:
        return "", {}
    start = _start_of(hires, settings)
    numbers = {
        "hires_width": hires.width,
        "hires_height": hires.height,
        "hires_steps": start.run_steps,
        # In the middle between the values that round to another schedule.
        "hires_strength": start.run_steps / (start.schedule_steps + 0.5),
    }
    return HIRES_UPSCALER_TITLES[hires.upscaler], numbers


def _start_of(hires: HiresSettings, settings: DrawSettings) -> DenoisingStart:
    scheduler = settings.scheduler or SCHEDULER_BESIDE_SIGMAS
    return start_of_run(hires.steps, hires.strength, scheduler)


def _raster(result: DrawResult) -> Raster:
    return Raster(result.pixels, result.width, result.height)
