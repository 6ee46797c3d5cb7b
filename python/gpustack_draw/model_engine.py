"""The interface of the engines that a model draws with, on this machine or on a server."""

from collections.abc import Iterator
from typing import Protocol

from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import CheckedRequest, ModelPlan
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.upscaler import Upscaler


class Engine(Protocol):
    """Draws with one model: LocalEngine on this machine, ServerEngine on a GPUStack server."""

    @property
    def is_ready(self) -> bool:
        """True if :meth:`prepare` has nothing to do."""

    @property
    def has_previews(self) -> bool:
        """True if drawings report previews of the growing picture."""

    def describe(self) -> str:
        """Return the model and its state in a few words."""

    def prepare(
        self, on_progress: ProgressFunction | None = None, request: DrawRequest | None = None
    ) -> tuple[str, ...]:
        """Download the missing files, or deploy the model on the server; return notes."""

    def load(self, request: DrawRequest, on_progress: ProgressFunction | None = None) -> None:
        """Load the model as the drawing of a request needs it."""

    def settings(self, request: DrawRequest) -> tuple[DrawSettings, ...]:
        """Return the settings of each picture of a request."""

    def check(self, request: DrawRequest, upscaler: Upscaler | None = None) -> CheckedRequest:
        """Check that a request fits, also if an upscaling model enlarges its pictures."""

    def plan(self, request: DrawRequest, upscaler: Upscaler | None = None) -> ModelPlan:
        """Return the files, the memory and the settings of a drawing."""

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request with a model that is ready."""

    def cancel(self) -> None:
        """End a drawing that another thread waits for, where its next progress may be far away."""

    def close(self) -> None:
        """Free the model and the resources that drawings share."""
