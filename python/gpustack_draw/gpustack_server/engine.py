"""Drawing with a model on a GPUStack server."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gpustack_draw.errors import DrawError, quoted
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.backend import backend_of
from gpustack_draw.gpustack_server.batch import Batch, Outcome
from gpustack_draw.gpustack_server.cancellation import run_in_thread
from gpustack_draw.gpustack_server.deployment import Deployment
from gpustack_draw.gpustack_server.models import OWN_META, RunningModel, find_model
from gpustack_draw.gpustack_server.own_server import check_loras
from gpustack_draw.gpustack_server.picture_client import PictureClient
from gpustack_draw.gpustack_server.plan_request import ServerPlan, plan_request
from gpustack_draw.gpustack_server.read_picture import read_picture
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.gpustack_server.server import GpustackServer
from gpustack_draw.gpustack_server.server_errors import (
    OWN_NAME,
    explain_response,
    with_missing_seeds,
)
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.plan import CheckedRequest, DrawingFiles, ModelPlan
from gpustack_draw.progress.callbacks import LogFunction, ProgressFunction
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.loras import NO_LORAS, Lora, LoraOptions
from gpustack_draw.request.model_reference import HubModel, ServerModel
from gpustack_draw.resolver.upscaler import Upscaler

if TYPE_CHECKING:
    from gpustack_draw.gpustack_server.deployment_plan import DeploymentPlan, SizeModel

# The server can reach a hub that this machine cannot.
_LOOK_UP_SECONDS = 3.0


def open_model(
    reference: HubModel | ServerModel,
    address: ServerAddress,
    *,
    size_model: "SizeModel",
    ignored: Sequence[str] = (),
    loras: LoraOptions = NO_LORAS,
    on_log: LogFunction | None = None,
) -> "ServerEngine":
    """Find a model on a server, or plan its deployment there.

    Args:
        reference: A name on the server, or a Hugging Face model to deploy there.
        address: The server.
        size_model: Finds the files of a model to deploy, and the memory it needs.
        ignored: Names of the arguments that have no effect on a server.
        loras: The LoRAs of requests that name none.
        on_log: Called with level and text of each request and response, from several threads.
            Prompts are logged, API keys and pictures are not.

    Raises:
        DrawError: There is no server, or it cannot draw with the model.
    """
    notes: list[str] = [
        phrase("{} has no effect: the picture is drawn on a server", Argument(name))
        for name in ignored
    ]
    name = reference.name if isinstance(reference, ServerModel) else ""
    server = GpustackServer(address, model_name=name, on_log=on_log)
    if isinstance(reference, HubModel) and server.find().release.is_own:
        # A server without GPUStack deploys nothing; it may download the model itself.
        name = replace(reference, text="").text
    if name:
        engine = ServerEngine(server, reference.text, name, loras=loras, notes=notes)
        engine.look_up()
        engine.check_loras()
        return engine
    assert isinstance(reference, HubModel)
    from gpustack_draw.gpustack_server.deployment_plan import plan_deployment
    from gpustack_draw.hub import Hub

    deployment = plan_deployment(
        reference, server.find(), Hub(look_up_seconds=_LOOK_UP_SECONDS), size_model
    )
    notes += deployment.notes
    engine = ServerEngine(
        server, reference.text, deployment.names[0], loras=loras, deployment=deployment, notes=notes
    )
    engine.check_loras()
    return engine


class ServerEngine:
    """A model on a GPUStack server. Threads may share it.

    Attributes:
        name: The model's name on the server; before :meth:`prepare`, the name that it is deployed
            under unless another model has it.
    """

    def __init__(
        self,
        server: GpustackServer,
        typed: str,
        name: str,
        *,
        loras: LoraOptions = NO_LORAS,
        deployment: "DeploymentPlan | None" = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Create the engine; nothing is sent yet.

        Args:
            server: The server.
            typed: Reference of the model as typed.
            name: The model's name on the server.
            loras: The LoRAs of requests that name none.
            deployment: Deployment that :meth:`prepare` carries out; ``None`` for a model that runs.
            notes: Notes for the user about the model.
        """
        self.name = name
        self._server = server
        self._typed = typed
        self._loras: tuple[Lora, ...] = loras.loras or ()
        self._deployment = deployment
        self._notes = tuple(notes)
        self._model: RunningModel | None = None
        self._lock = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """True if the model needs no deployment."""
        return self._deployment is None

    @property
    def is_listed(self) -> bool:
        """False if the server lists its models, and none of this name; after :meth:`look_up`."""
        return self._model is None or self._model.is_listed

    @property
    def has_previews(self) -> bool:
        """True if the server sends previews of the growing picture."""
        plan = self._plan_request(DrawRequest(prompt=""), preview=True)
        return "previews" in plan.stream.get("stream_options", {})

    def describe(self) -> str:
        """Return the model and its server."""
        return f"{self.name} on {self._server.device}"

    def look_up(self) -> None:
        """Find the model on the server, on the first call.

        Raises:
            DrawError: The server does not answer or requires a key, or the model does not draw.
        """
        server = self._server.find()
        if self._model is None:
            self._model = model = run_in_thread(
                lambda cancellation: find_model(server, self.name, cancellation)
            )
            if model.listed:
                only = f"{self._server.device} draws with its only model, {quoted(model.listed)}"
                self._notes = (*self._notes, only)

    def check_loras(self) -> None:
        """Check that the server can draw with the LoRAs that the model was loaded with.

        Raises:
            UsageError: It cannot.
        """
        check_loras(self._loras, backend_of(self._server.find().release, self._known_model()))

    def prepare(
        self,
        on_progress: ProgressFunction | None = None,
        request: DrawRequest | None = None,  # noqa: ARG002 - the server finds LoRAs itself
    ) -> tuple[str, ...]:
        """Deploy the model and wait until it runs, on the first call.

        Args:
            on_progress: Called with phase ``deploy``: percent downloaded by the server. An error it
                raises ends the wait, but not the deployment; a later call waits again.
            request: Ignored.

        Returns:
            Notes for the user.

        Raises:
            ServerError: The model cannot be deployed, or does not start.
        """
        with self._lock:
            if self._deployment is None:
                return ()
            self.name = Deployment(self._server.find(), self._deployment).run(on_progress)
            self._deployment = None
        return (f"deployed on {self._server.device} as {quoted(self.name)}",)

    def check(self, request: DrawRequest, upscaler: Upscaler | None = None) -> CheckedRequest:
        """Check that the server can draw a request.

        Args:
            request: The request.
            upscaler: The upscaling model that enlarges the picture on this machine.

        Raises:
            DrawError: The server does not answer, or a value does not fit the model.
        """
        requests = self._plan_request(request)
        _files_of(upscaler).check_disk_space()
        return CheckedRequest((*self._notes, *requests.notes), requests.picture_size)

    def load(self, request: DrawRequest, on_progress: ProgressFunction | None = None) -> None:
        """Do nothing: the server loads its models itself."""

    def settings(self, request: DrawRequest) -> tuple[DrawSettings, ...]:
        """Return the settings of each picture of a request.

        Raises:
            DrawError: The server does not answer, or a value does not fit the model.
        """
        return self._plan_request(request).settings

    def plan(self, request: DrawRequest, upscaler: Upscaler | None = None) -> ModelPlan:
        """Return the plan of a drawing; deploys and draws nothing.

        Args:
            request: The request.
            upscaler: The upscaling model that enlarges the picture on this machine.

        Raises:
            DrawError: The server does not answer, or a value does not fit the model.
        """
        requests, model = self._plan_request(request), self._known_model()
        files = _files_of(upscaler)
        return ModelPlan(
            model=self._typed,
            source="server",
            family=model.family,
            variant="",
            files=files.planned,
            fetch_bytes=files.fetch_bytes,
            memory_bytes=0,
            memory_free_bytes=None,
            fits=None,
            defaults=requests.settings[0].planned(),
            native_size=model.size("native"),
            device=self._server.device,
            notes=(*self._notes, *requests.notes, *self._deployment_notes(), *files.notes),
        )

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        """Draw the pictures of a request in parallel and yield them in order.

        Args:
            request: The request.
            on_progress: Called in this thread with the progress of the next picture. An error it
                raises cancels the drawing.
            preview: Whether the progress has previews, where the server sends them.

        Yields:
            The pictures, with seeds counting up. After a failure, those already requested are still
            yielded before the error is raised.

        Raises:
            UsageError: A value or an input picture does not fit the model or the server.
            ModelNotFoundError: The server has no such model, or the model does not draw.
            ServerError: The server does not answer, or sent no picture.
        """
        self.look_up()
        plan = self._plan_request(request, preview=preview)
        client = PictureClient(self._server.find(), self.name, plan)
        batch = Batch(client.draw, len(plan.settings), plan.settings[0].mode)
        failure: Exception | None = None
        missing = [settings.seed for settings in plan.settings]
        try:
            for index in range(len(plan.settings)):
                outcome = batch.take(index, on_progress)
                if outcome is None:
                    break
                try:
                    picture = self._read_picture(plan, index, outcome)
                except Exception as error:  # noqa: BLE001, RUF100 - raised after the other pictures
                    failure = failure or error
                    batch.stop_starting()
                else:
                    missing.remove(plan.settings[index].seed)
                    yield picture
            if failure is not None:
                if isinstance(failure, DrawError):
                    failure.hint = with_missing_seeds(failure.hint, missing, len(plan.settings))
                raise failure
        finally:
            batch.close()

    def cancel(self) -> None:
        """Do nothing: the next progress ends a drawing."""

    def close(self) -> None:
        """Forget the model; no connection stays open between requests."""
        self._model = None

    def _plan_request(self, request: DrawRequest, *, preview: bool = False) -> ServerPlan:
        return plan_request(
            request,
            self._server.find().release,
            self._known_model(),
            loras=self._loras,
            preview=preview,
        )

    def _known_model(self) -> RunningModel:
        """Return what is known of the model, which may not be deployed yet."""
        if self._model is not None:
            return self._model
        backend = "" if self._deployment is None else str(self._deployment.body.get("backend"))
        return RunningModel(self.name, OWN_META if backend.startswith(OWN_NAME) else {})

    def _deployment_notes(self) -> list[str]:
        deployment = self._deployment
        if deployment is None:
            return []
        model = f"hf.co/{deployment.repository} ({deployment.file or 'all of it'})"
        how = f" {deployment.how}" if deployment.how else ""
        return [f"{model} would be deployed as {quoted(self.name)}{how}, where it is not there yet"]

    def _read_picture(self, plan: ServerPlan, index: int, outcome: Outcome) -> Picture:
        if outcome.reply is None:
            assert outcome.error is not None
            raise outcome.error
        try:
            return read_picture(
                outcome.reply,
                plan.settings[index],
                model=self._known_model(),
                device=self._server.device,
                seconds=outcome.seconds,
                pictures=plan.pictures,
            )
        except ResponseError as error:
            title = self._server.find().release.title
            raise explain_response(error, self._server.address, title, model=self.name) from error


def _files_of(upscaler: Upscaler | None) -> DrawingFiles:
    """Return the files of a drawing that this machine needs."""
    return DrawingFiles() if upscaler is None else DrawingFiles((upscaler.file,), upscaler.hub)
