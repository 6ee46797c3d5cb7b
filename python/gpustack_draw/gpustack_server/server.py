"""A model on a GPUStack server: finds both, and draws pictures in order."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.advice import explain_response
from gpustack_draw.gpustack_server.batch import Batch, Outcome
from gpustack_draw.gpustack_server.cancellation import run_in_thread
from gpustack_draw.gpustack_server.connection import LogFunction, ServerConnection
from gpustack_draw.gpustack_server.models import RunningModel, find_model, list_models
from gpustack_draw.gpustack_server.picture_client import PictureClient
from gpustack_draw.gpustack_server.plan_request import ServerPlan, plan_request
from gpustack_draw.gpustack_server.read_picture import read_picture
from gpustack_draw.gpustack_server.release import FoundServer, Release, find_server_release
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest

ProgressFunction = Callable[[Progress], None]


class GpustackServer:
    """A model on a GPUStack server. Threads may share it.

    Attributes:
        address: The server, after redirects once it has been found.
        name: The model's name there.
    """

    def __init__(
        self, address: ServerAddress, name: str = "", *, on_log: LogFunction | None = None
    ) -> None:
        """Create the model; nothing is sent yet.

        Args:
            address: The server.
            name: The model's name there; empty to use the server without a model.
            on_log: Called with level and text of each request and response, from several threads.
                Prompts are logged, API keys and pictures are not.
        """
        self.address = address
        self.name = name
        self._on_log = on_log
        self._server: FoundServer | None = None
        self._model: RunningModel | None = None

    @property
    def is_loaded(self) -> bool:
        """True once :meth:`look_up` has found the model."""
        return self._model is not None

    @property
    def device(self) -> str:
        """Release and host, such as ``GPUStack 0.7.1 at 127.0.0.1``."""
        title = self._server.release.title if self._server else "GPUStack"
        return f"{title} at {urlsplit(self.address.url).netloc}"

    def find(self) -> FoundServer:
        """Find the server, on the first call.

        Raises:
            DrawError: The server does not answer, is not a GPUStack server, or cannot draw.
        """
        if self._server is None:
            connection, name = ServerConnection(self.address, self._on_log), self.name
            self._server = run_in_thread(
                lambda cancellation: find_server_release(connection, cancellation, name)
            )
            self.address = self._server.connection.address
            connection.log(f"server: {self.device}")
        return self._server

    def release(self) -> Release:
        """Return the server's release; errors as for :meth:`find`."""
        return self.find().release

    def look_up(self) -> None:
        """Find the model on the server, on the first call.

        Raises:
            DrawError: The server does not answer or requires a key, or the model does not draw.
        """
        server = self.find()
        if self._model is None:
            self._model = run_in_thread(
                lambda cancellation: find_model(server, self.name, cancellation)
            )

    def image_models(self) -> list[str]:
        """Return the names of the image models that run on the server.

        Raises:
            DrawError: The server does not answer properly, or requires a key.
        """
        server = self.find()
        models = run_in_thread(lambda cancellation: list_models(server, cancellation, ("image",)))
        return [model.name for model in models]

    def plan(self, request: DrawRequest) -> ServerPlan:
        """Return the requests that :meth:`generate` would send.

        Raises:
            DrawError: The server does not answer, or a value does not fit the model.
        """
        return plan_request(request, self.release(), self._model or RunningModel(self.name))

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Return notes on the values that the server changes or ignores.

        Raises:
            DrawError: The server does not answer, or a value does not fit the model.
        """
        return self.plan(request).notes

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,  # noqa: ARG002 - servers send no previews
    ) -> Iterator[Picture]:
        """Draw the pictures of a request in parallel and yield them in order.

        Args:
            request: The request.
            on_progress: Called in this thread with the progress of the next picture. An error it
                raises cancels the drawing.
            preview: Ignored.

        Yields:
            The pictures, with seeds counting up. After a failure, those already requested are still
            yielded before the error is raised.

        Raises:
            UsageError: A value does not fit the model.
            ModelNotFoundError: The server has no such model, or the model does not draw.
            ServerError: The server does not answer, or sent no picture.
        """
        self.look_up()
        plan = self.plan(request)
        client = PictureClient(self.find(), self.name, plan)
        batch = Batch(client.draw, len(plan.settings))
        failure: BaseException | None = None
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
                    yield picture
            if failure is not None:
                raise failure
        finally:
            batch.close()

    def close(self) -> None:
        """Forget the model; no connection stays open between requests."""
        self._model = None

    def _read_picture(self, plan: ServerPlan, index: int, outcome: Outcome) -> Picture:
        if outcome.error is not None:
            raise outcome.error
        try:
            return read_picture(
                outcome.file,
                plan.settings[index],
                model=self.name,
                device=self.device,
                seconds=outcome.seconds,
            )
        except ResponseError as error:
            title = self.release().title
            raise explain_response(error, self.address, title, model=self.name) from error
