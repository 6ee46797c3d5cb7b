"""A picture as the engine returns it: pixels and settings."""

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

from gpustack_draw.pictures.upscaled_text import Upscaled
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.request.draw_settings import DrawSettings, describe_mode, describe_size
from gpustack_draw.request.loras import describe_loras
from gpustack_draw.request.options import describe_sampling

if TYPE_CHECKING:
    import PIL.Image


_BEFORE_SIDE = 384  # longer side in pixels: twice that of a gallery, for screens of high density


class Picture(Raster):
    """A drawn picture.

    Attributes:
        settings: All settings of the drawing, seed included.
        model: The model's name.
        reference: Reference that names the model on any machine; empty for a local file.
        user_components: Names of the components that the user chose: ``vae``, ...
        embeddings: Start of the SHA-256 digests of the embeddings in its prompts, by name; ``None``
            for a picture of a server.
        family: The name of the model's family.
        device: Name of the device that computed it.
        before: The picture that it was drawn from, in the drawing's size; ``None`` for none.
        upscaled: How it was enlarged after the drawing; ``None`` if it was not.
        evaluations_skipped: Evaluations of the model that a step cache skipped; ``None`` without
            one, and for a picture of a server.
        vae_tile: Largest side of the tiles in which it was decoded, in pixels; ``None`` for the
            whole picture at once, and for a picture of a server.
        notes: Notes for the user on this drawing.
        seconds: Seconds by phase: ``load``, ``encode``, ``sample``, ``decode``, ``upscale``.
    """

    def __init__(
        self,
        pixels: bytes | bytearray | memoryview,
        settings: DrawSettings,
        *,
        model: str,
        family: str,
        device: str,
        seconds: Mapping[str, float],
        reference: str = "",
        user_components: tuple[str, ...] = (),
        embeddings: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        before: Raster | None = None,
        evaluations_skipped: int | None = None,
        vae_tile: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Wrap the engine's pixels.

        Args:
            pixels: Red, green, blue of each pixel, row by row from the top; height * width * 3
                contiguous bytes. Referenced, not copied.
            settings: Settings of the drawing, with the drawn width and height.
            model: The model's name.
            family: The name of the model's family.
            device: Name of the device that computed it.
            seconds: Seconds by phase.
            reference: Reference that names the model on any machine; empty for a local file.
            user_components: Names of the components that the user chose.
            embeddings: Digests of the embeddings in its prompts, by name; ``None`` if unknown.
            size: Width and height of the picture; ``None`` for those of the settings. Larger than
                these after a second pass, or if a part of an input picture was drawn.
            before: The picture that it was drawn from.
            evaluations_skipped: Evaluations of the model that a step cache skipped.
            vae_tile: Largest side of the tiles in which it was decoded, in pixels.
            notes: Notes for the user on this drawing.

        Raises:
            ValueError: The number of bytes does not fit the size.
        """
        super().__init__(pixels, *(size or (settings.width, settings.height)))
        self.settings = settings
        self.model = model
        self.reference = reference
        self.user_components = user_components
        self.embeddings = embeddings
        self.family = family
        self.device = device
        self.before = before
        self.evaluations_skipped = evaluations_skipped
        self.vae_tile = vae_tile
        self.notes = notes
        self.seconds = dict(seconds)
        self.upscaled: Upscaled | None = None

    def __repr__(self) -> str:
        """Return size, model, seed and the start of the prompt."""
        return (
            f"<Picture {self.width}x{self.height} by {self.model}, seed {self.settings.seed}:"
            f" {self.settings.prompt[:60]!r}>"
        )

    def summary(self) -> str:
        """Return the settings, device and duration in one line."""
        settings = self.settings
        own_size = [f"{self.width}x{self.height}"]
        known = [
            f"seed {settings.seed}",
            *describe_mode(settings),
            *describe_loras(settings.loras),
            *describe_sampling(settings),
            settings.sampler,
            settings.scheduler,
            *(own_size if settings.hires is None else describe_size(settings)),
            self.upscaled and f"enlarged by {self.upscaled.upscaler}",
            self.device,
            f"{sum(self.seconds.values()):.1f} s",
        ]
        return ", ".join(str(value) for value in known if value)

    def enlarged(self, pixels: Raster, upscaled: Upscaled, seconds: float) -> "Picture":
        """Return this picture as an upscaling model has enlarged it.

        Args:
            pixels: The enlarged picture.
            upscaled: How it was enlarged.
            seconds: Time that it took.
        """
        picture = copy(self)
        Raster.__init__(picture, pixels.pixels, pixels.width, pixels.height)
        picture.upscaled = upscaled
        picture.seconds = {**self.seconds, "upscale": seconds}
        return picture

    def to_image(self) -> "PIL.Image.Image":
        """Return a Pillow image of it, with its parameters in ``info["parameters"]``.

        ``info["before"]`` is a small image of the picture that it was drawn from, if there is one.
        """
        from gpustack_draw.pictures.parameters import parameters_text

        image = super().to_image()
        image.info["parameters"] = parameters_text(self)
        if self.before is not None:
            image.info["before"] = self.before.to_image()
            image.info["before"].thumbnail((_BEFORE_SIDE, _BEFORE_SIDE))
        return image
