"""A GPUStack server: finds its release and lists its models."""

from urllib.parse import urlsplit

from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import run_in_thread
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.models import RunningModel, list_models
from gpustack_draw.gpustack_server.release import FoundServer, find_server_release
from gpustack_draw.progress.callbacks import LogFunction


class GpustackServer:
    """A GPUStack server. Threads may share it.

    Attributes:
        address: The server, after redirects once it has been found.
    """

    def __init__(
        self, address: ServerAddress, *, model_name: str = "", on_log: LogFunction | None = None
    ) -> None:
        """Create the server; nothing is sent yet.

        Args:
            address: The server.
            model_name: Name of the model to look for, if the server is asked only because nothing
                else has that name; errors about the server then contain it.
            on_log: Called with level and text of each request and response, from several threads.
                Prompts are logged, API keys and pictures are not.
        """
        self.address = address
        self._model_name = model_name
        self._on_log = on_log
        self._found: FoundServer | None = None

    @property
    def device(self) -> str:
        """Release and host, such as ``GPUStack 0.7.1 at 127.0.0.1``."""
        title = self._found.release.title if self._found else "GPUStack"
        return f"{title} at {urlsplit(self.address.url).netloc}"

    def find(self) -> FoundServer:
        """Find the server, on the first call.

        Raises:
            DrawError: The server does not answer, is not a GPUStack server, or cannot draw.
        """
        if self._found is None:
            connection, name = ServerConnection(self.address, self._on_log), self._model_name
            self._found = run_in_thread(
                lambda cancellation: find_server_release(connection, cancellation, name)
            )
            self.address = self._found.connection.address
            connection.log(f"server: {self.device}")
        return self._found

    def image_models(self) -> list[RunningModel]:
        """Return the image models that run on the server.

        Raises:
            DrawError: The server does not answer properly, or requires a key.
        """
        server = self.find()
        return run_in_thread(lambda cancellation: list_models(server, cancellation, ("image",)))
