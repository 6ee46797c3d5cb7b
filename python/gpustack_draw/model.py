"""A model to draw with."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from gpustack_draw.display import table
from gpustack_draw.display.progress_display import ProgressDisplay, progress_display
from gpustack_draw.engine.local_engine import LocalEngine, ProgressFunction
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import ModelPlan
from gpustack_draw.progress.callbacks import checked_progress
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.name_types import Sampler, Scheduler
from gpustack_draw.resolver.fetch import check_room, fetch_model
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    import PIL.Image

Size = tuple[int, int] | str


class Engine(Protocol):
    """Draws pictures: LocalEngine on this machine, GpustackServer on a cluster."""

    @property
    def is_loaded(self) -> bool:
        """True if the next drawing has no model to load first."""

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request."""

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Check that a request fits, and return notes on values that will be changed."""

    def close(self) -> None:
        """Free the model and the resources that drawings share."""


class Model:
    """A model to draw with. Made by :func:`gpustack_draw.load`.

    The first drawing, or :meth:`fetch`, downloads missing files. The first drawing loads the model,
    which stays loaded until :meth:`close` or the end of a ``with`` block. Threads may share a
    model: their drawings wait for each other.

    Attributes:
        resolved: The files of the model, its family and its defaults.
    """

    def __init__(self, resolved: ResolvedModel, engine: Engine) -> None:
        """Join a resolved model with the engine that draws with it."""
        self.resolved = resolved
        self._engine = engine
        self._is_fetched = not resolved.hub_files
        self._fetch_lock = threading.Lock()

    def generate(
        self,
        prompt: str,
        *,
        negative_prompt: str | None = None,
        size: Size | None = None,
        sampler: Sampler | str | None = None,
        scheduler: Scheduler | str | None = None,
        sample_steps: int | None = None,
        cfg_scale: float | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        on_progress: ProgressFunction | None = None,
        preview: bool = False,
    ) -> "PIL.Image.Image":
        """Draw a picture.

        Args:
            prompt: The prompt; at most 10,000 characters, at most 1,000 of them without blank or
                punctuation between them.
            negative_prompt: What to avoid; None for nothing. Has no effect if cfg_scale is 1.
            size: ``(width, height)`` or ``"512x768"`` in pixels, each 1 to 8192, rounded up to what
                the model needs; or ``"native"`` for the size that it was trained for. None for
                512x512 (``demo``: native).
            sampler: One of ``gpustack_draw.SAMPLERS``; None for ``euler``.
            scheduler: One of ``gpustack_draw.SCHEDULERS``; None for the model's.
            sample_steps: 1 to 10000; None for the model's.
            cfg_scale: Classifier-free guidance, 0 to 100, 1 for none; None for the model's.
            guidance: Distilled guidance of FLUX models, 0 to 100; None for the model's.
            seed: 0 to 2**63 - 1; the same seed draws the same picture. None for a random one.
            on_progress: Called with a Progress as the work goes on; what it raises ends the
                drawing. None for a line on standard error where that is a terminal, and for a bar
                and the growing picture in a notebook; ``GPUSTACK_DRAW_PROGRESS=0`` in the
                environment turns both off.
            preview: Whether ``on_progress`` receives previews of the growing picture.

        Returns:
            An RGB picture. ``image.info["parameters"]`` says how it was drawn, seed included, in
            the form that Stable Diffusion web UIs write.

        Raises:
            DrawError: Every expected failure; see ``gpustack_draw.errors`` for the kinds.
        """
        (image,) = self.generate_many(
            prompt,
            count=1,
            negative_prompt=negative_prompt,
            size=size,
            sampler=sampler,
            scheduler=scheduler,
            sample_steps=sample_steps,
            cfg_scale=cfg_scale,
            guidance=guidance,
            seed=seed,
            on_progress=on_progress,
            preview=preview,
        )
        return image

    def generate_many(
        self,
        prompt: str,
        *,
        count: int,
        negative_prompt: str | None = None,
        size: Size | None = None,
        sampler: Sampler | str | None = None,
        scheduler: Scheduler | str | None = None,
        sample_steps: int | None = None,
        cfg_scale: float | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        on_progress: ProgressFunction | None = None,
        preview: bool = False,
    ) -> "Iterator[PIL.Image.Image]":
        """Draw several pictures, seeds counting up. Arguments as for :meth:`generate`.

        Args:
            prompt: The prompt.
            count: How many pictures, 1 to 10,000.
            negative_prompt: What to avoid.
            size: Pixels.
            sampler: A sampler's name.
            scheduler: A scheduler's name.
            sample_steps: Sampling steps.
            cfg_scale: Classifier-free guidance.
            guidance: Distilled guidance of FLUX models.
            seed: Of the first picture.
            on_progress: Called with a Progress as the work goes on.
            preview: Whether it receives previews of the growing pictures.

        Returns:
            The pictures, each drawn when it is asked for. Arguments are checked at once.

        Raises:
            DrawError: Every expected failure.
        """
        request = DrawRequest(
            prompt=prompt,
            negative_prompt="" if negative_prompt is None else negative_prompt,
            size=size,
            sampler=sampler,
            scheduler=scheduler,
            sample_steps=sample_steps,
            cfg_scale=cfg_scale,
            guidance=guidance,
            seed=seed,
            count=count,
        )
        drawn = self.draw(request, on_progress, preview=preview)
        return (picture.to_image() for picture in drawn)

    def draw(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request, with all that is known about each.

        Args:
            request: The request.
            on_progress: Called with a Progress as the work goes on.
            preview: Whether it receives previews of the growing pictures.

        Returns:
            The pictures, each drawn when it is asked for.

        Raises:
            DrawError: Every expected failure.
        """
        display = progress_display() if on_progress is None else None
        if display is not None:
            return self._draw_and_show(request, display)
        return self._draw(request, checked_progress(on_progress), preview)

    def _draw_and_show(self, request: DrawRequest, display: ProgressDisplay) -> Iterator[Picture]:
        # Previews of the demo model take longer than the drawing.
        preview = display.shows_previews and self.resolved.source != "demo"
        with display:
            for picture in self._draw(request, display, preview):
                display.drawn(picture)
                yield picture

    def _draw(
        self, request: DrawRequest, on_progress: ProgressFunction | None, preview: bool
    ) -> Iterator[Picture]:
        if not self._is_fetched:
            self.check(request)  # what does not fit is said before gigabytes move
            self.fetch(on_progress)
        yield from self._engine.generate(request, on_progress, preview=preview)

    def fetch(self, on_progress: ProgressFunction | None = None) -> tuple[str, ...]:
        """Fetch what is missing of the model, and verify its files; a server deploys it.

        Args:
            on_progress: Called with the bytes fetched, phase ``fetch`` (on a server ``deploy``);
                what it raises ends the fetch, and a later one continues.

        Returns:
            Notes on what happened on the way.

        Raises:
            FetchError: A file could not be fetched, kept or verified.
            ModelFileError: A file is not what it should be.
            ServerError: The model cannot be deployed, or does not get to run.
        """
        display = progress_display() if on_progress is None else None
        if display is None:
            return self._fetch(checked_progress(on_progress))
        with display:
            return self._fetch(display)

    def _fetch(self, on_progress: ProgressFunction | None) -> tuple[str, ...]:
        with self._fetch_lock:
            notes = () if self._is_fetched else fetch_model(self.resolved, on_progress)
            self._is_fetched = True
        return notes

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Check that a request fits the model and the machine; fetches and loads nothing.

        Args:
            request: The request.

        Returns:
            Notes on what of it will be changed or have no effect.

        Raises:
            UsageError: A value does not fit the model.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            FetchError: The files to fetch need more room than is free on the disk.
        """
        notes = (*self.resolved.notes, *self._engine.check(request))
        if not self._is_fetched:
            check_room(self.resolved)
        return notes

    def plan(self, request: DrawRequest) -> ModelPlan:
        """Describe what drawing a request would fetch, load and use; fetches and loads nothing.

        Args:
            request: The request.

        Raises:
            UsageError: A value does not fit the model, or there is no such device.
        """
        assert isinstance(self._engine, LocalEngine)  # a model on a server has a plan of its own
        return self._engine.plan(request)

    def close(self) -> None:
        """Free the model. A later drawing loads it again.

        Waits for a drawing of another thread, unless the engine has stopped answering. Called by a
        callback of a drawing, it ends that drawing with an EngineError.
        """
        self._engine.close()

    def __enter__(self) -> "Model":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return the model itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Free the model."""
        self.close()

    def __repr__(self) -> str:
        """Return the model and whether it is loaded."""
        state = "loaded" if self._engine.is_loaded else "not loaded"
        return f"<Model {self.resolved.name} ({self.resolved.family.title}), {state}>"

    def _repr_html_(self) -> str | None:
        """Return a table of the files and the default settings for notebooks."""
        resolved = self.resolved
        if not resolved.files:
            return None  # files and defaults are known to the server only
        defaults = resolved.defaults
        width, height = defaults.native_size
        rows = [
            (file.component, f"{file.path.name}, {format_bytes(file.bytes)}")
            for file in resolved.files
        ]
        rows += [
            ("trained for", f"{width}x{height} pixels"),
            ("draws in", f"{defaults.sample_steps} steps, cfg {defaults.cfg_scale:g}"),
        ]
        return table(repr(self)[1:-1], rows)
