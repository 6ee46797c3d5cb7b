"""A model to draw with."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from gpustack_draw.display import table
from gpustack_draw.display.progress_display import ProgressDisplay, progress_display
from gpustack_draw.engine.local_upscaler import LocalUpscaler
from gpustack_draw.errors import EngineError
from gpustack_draw.model_engine import Engine
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import ModelPlan
from gpustack_draw.progress.callbacks import ProgressFunction, checked_progress
from gpustack_draw.progress.cancellation import Cancellation
from gpustack_draw.request.draw_request import DrawRequest, request_of
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.keywords import takes_fields
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.upscaler import Upscaler, find_upscaler_of
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Unpack

    from gpustack_draw.request.draw_request import DrawKeywords


class Model:
    """A model to draw with. Made by :func:`gpustack_draw.load`.

    The first drawing, or :meth:`fetch`, downloads missing files, or deploys the model on a server.
    The first drawing on this machine loads the model, which stays loaded until :meth:`close` or the
    end of a ``with`` block. Threads may share a model: on this machine, their drawings wait for
    each other.

    Attributes:
        resolved: The files of a model on this machine, its family and its defaults; ``None`` for a
            model on a server, which does not report them.
    """

    def __init__(
        self,
        engine: Engine,
        resolved: ResolvedModel | None = None,
        *,
        upscaler: LocalUpscaler | None = None,
    ) -> None:
        """Create a model.

        Args:
            engine: The engine that draws with it.
            resolved: Its files on this machine.
            upscaler: Enlarges the pictures of requests with ``upscale``.
        """
        self.resolved = resolved
        self._engine = engine
        self._upscaler = upscaler or LocalUpscaler()
        self._cancellation = Cancellation()  # of the drawings that run

    @property
    def has_previews(self) -> bool:
        """True if drawings report previews of the growing picture, as some servers do not."""
        return self._engine.has_previews

    @takes_fields(DrawRequest, PictureOptions, without=("count", "pictures"))
    def generate(
        self,
        prompt: str,
        *,
        on_progress: ProgressFunction | None = None,
        preview: bool = False,
        **options: "Unpack[DrawKeywords]",
    ) -> "PIL.Image.Image":
        """Draw a picture.

        Args:
            prompt: The prompt.
            on_progress: Called with a Progress as the work goes on; what it raises ends the
                drawing. None for a line on standard error where that is a terminal, and for a bar
                and the growing picture in a notebook; ``GPUSTACK_DRAW_PROGRESS=0`` in the
                environment turns both off.
            preview: Whether ``on_progress`` receives previews of the growing picture.
            options: The other fields of :class:`DrawRequest`, such as ``size`` and ``seed``; and
                those of :class:`PictureOptions`, such as ``image`` and ``mask``.

        Returns:
            An RGB picture. ``image.info["parameters"]`` holds its settings, seed included, in the
            form of Stable Diffusion web UIs.

        Raises:
            DrawError: Every expected failure; see ``gpustack_draw.errors`` for the kinds.
        """
        (image,) = self.generate_many(
            prompt, count=1, on_progress=on_progress, preview=preview, **options
        )
        return image

    @takes_fields(DrawRequest, PictureOptions, without=("pictures",))
    def generate_many(
        self,
        prompt: str,
        *,
        count: int,
        on_progress: ProgressFunction | None = None,
        preview: bool = False,
        **options: "Unpack[DrawKeywords]",
    ) -> "Iterator[PIL.Image.Image]":
        """Draw several pictures, seeds counting up.

        Args:
            prompt: The prompt.
            count: Number of pictures, 1 to 10,000.
            on_progress: As for :meth:`generate`.
            preview: Whether ``on_progress`` receives previews of the growing pictures.
            options: As for :meth:`generate`.

        Returns:
            The pictures, each drawn when it is asked for. Arguments are checked at once.

        Raises:
            DrawError: Every expected failure.
        """
        request = request_of({"prompt": prompt, "count": count, **options})
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
        is_demo = self.resolved is not None and self.resolved.source == "demo"
        preview = display.shows_previews and not is_demo
        with display:
            for picture in self._draw(request, display, preview):
                display.drawn(picture)
                yield picture

    def _draw(
        self, request: DrawRequest, on_progress: ProgressFunction | None, preview: bool
    ) -> Iterator[Picture]:
        cancellation = self._cancellation
        try:
            for picture in self._drawn(request, cancellation.checked(on_progress), preview):
                cancellation.check()
                yield picture
                cancellation.check()
        except EngineError:
            cancellation.check()
            raise

    def _drawn(
        self, request: DrawRequest, on_progress: ProgressFunction | None, preview: bool
    ) -> Iterator[Picture]:
        upscaler = find_upscaler_of(request)
        if not self._engine.is_ready:
            self._check(request, upscaler)  # before gigabytes are downloaded
            self._engine.prepare(on_progress)
        if upscaler is not None:
            upscaler.fetch(on_progress)
        drawn = self._engine.generate(request, on_progress, preview=preview)
        for number, picture in enumerate(drawn, start=1):
            yield (
                picture
                if upscaler is None
                else self._upscaler.enlarge_drawing(
                    upscaler, picture, on_progress, number, request.count
                )
            )

    def fetch(
        self, on_progress: ProgressFunction | None = None, *, request: DrawRequest | None = None
    ) -> tuple[str, ...]:
        """Make the model ready: download and verify its files, or deploy it on a server.

        Does nothing for a model that is ready. The first drawing calls it, too.

        Args:
            on_progress: Called with a Progress: the downloaded bytes, phase ``fetch``; on a server
                the percentage that it has downloaded, phase ``deploy``. An error that it raises
                ends the download or the wait, which a later call continues; the server goes on.
            request: A request whose LoRAs and upscaling models are downloaded, too.

        Returns:
            Notes for the user.

        Raises:
            FetchError: A file cannot be downloaded, stored or verified.
            ModelFileError: A file is not the component that it is used as.
            ServerError: The model cannot be deployed, or does not start.
        """
        display = progress_display() if on_progress is None else None
        report = display or checked_progress(on_progress)
        with display or nullcontext():
            notes = self._engine.prepare(report, request)
            upscaler = None if request is None else find_upscaler_of(request)
            if upscaler is not None:
                upscaler.fetch(report)
        return notes

    def load(
        self, request: DrawRequest | None = None, on_progress: ProgressFunction | None = None
    ) -> None:
        """Load the model into memory now instead of in the first drawing.

        Downloads missing files first. Does nothing for a model that is loaded, or on a server.

        Args:
            request: A request like those to come: input pictures need more of the model. ``None``
                for a prompt only, which inpainting models refuse.
            on_progress: Called with a Progress as the work goes on; what it raises ends the
                loading.

        Raises:
            DrawError: Every expected failure.
        """
        request = DrawRequest(prompt="") if request is None else request
        report = checked_progress(on_progress)
        cancellation = self._cancellation
        try:
            self._engine.prepare(report)
            self._engine.load(request, cancellation.checked(report))
        except EngineError:
            cancellation.check()
            raise

    def settings(self, request: DrawRequest) -> tuple[DrawSettings, ...]:
        """Return the settings that each picture of a request would have.

        On this machine, does not wait for a drawing of another thread. A request without a seed
        gets a random one, which the same request object keeps.

        Args:
            request: The request.

        Raises:
            UsageError: A value does not fit the model.
            ServerError: The server does not answer.
        """
        find_upscaler_of(request)
        return self._engine.settings(request)

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Check that a request fits the model and the machine; downloads and loads nothing.

        On this machine, a drawing of the same request object uses its input pictures as this call
        has read them, unless another request was checked or drawn in between.

        Args:
            request: The request.

        Returns:
            Notes on the model, and on values that will be changed or have no effect.

        Raises:
            UsageError: A value does not fit the model.
            NotEnoughMemoryError: The model and the picture need more memory than is free.
            FetchError: The files to download do not fit on the disk.
            ServerError: The server does not answer.
        """
        return self._check(request, find_upscaler_of(request))

    def _check(self, request: DrawRequest, upscaler: Upscaler | None) -> tuple[str, ...]:
        checked = self._engine.check(request, upscaler)
        if upscaler is None:
            return checked.notes
        self._upscaler.check_memory(upscaler, *checked.size, "the picture")
        return (*checked.notes, *upscaler.notes)

    def plan(self, request: DrawRequest) -> ModelPlan:
        """Return what drawing a request would download, load and use, without doing so.

        Args:
            request: The request.

        Raises:
            UsageError: A value does not fit the model, or no device has the chosen name.
            ServerError: The server does not answer.
        """
        upscaler = find_upscaler_of(request)
        plan = self._engine.plan(request, upscaler)
        if upscaler is None:
            return plan
        note = f"{upscaler.name} enlarges the picture {upscaler.scale} times"
        return replace(plan, notes=(*plan.notes, note, *upscaler.notes))

    def cancel(self) -> None:
        """End the drawings of other threads, which raise an EngineError.

        On this machine, the engine stops in the middle of a step, on a GPU after it, and the model
        stays loaded, unless it is being loaded. On a server, a drawing ends at its next progress.
        Does nothing while no drawing runs.
        """
        self._cancellation.request()
        self._cancellation = Cancellation()
        self._upscaler.cancel()
        self._engine.cancel()

    def close(self) -> None:
        """Free the model. A later drawing loads it again.

        Waits for a drawing of another thread, unless the engine has stopped answering. Called by a
        callback of a drawing, it ends that drawing with an EngineError.
        """
        self._upscaler.close()
        self._engine.close()

    def __enter__(self) -> "Model":  # noqa: PYI034 - Self is younger than Python 3.10
        """Return the model itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Free the model."""
        self.close()

    def __repr__(self) -> str:
        """Return the model, and whether it is loaded or where it runs."""
        return f"<Model {self._engine.describe()}>"

    def _repr_html_(self) -> str | None:
        """Return a table of the files and the default settings for notebooks."""
        resolved = self.resolved
        if resolved is None:
            return None
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
