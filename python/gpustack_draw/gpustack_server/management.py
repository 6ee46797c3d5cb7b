"""The part of GPUStack's management API that deploys models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import DrawError, ServerError
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.draw_backend import DrawBackend, choose_backend
from gpustack_draw.gpustack_server.models import DeployedModel, parse_deployed_model, parse_items
from gpustack_draw.gpustack_server.release import FoundServer
from gpustack_draw.gpustack_server.request_json import request_object
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.gpustack_server.server_errors import (
    explain_deployment_response,
    explain_transport,
)
from gpustack_draw.untrusted import clean

_MAX_PAGES = 100


@dataclass(frozen=True)
class ManagementApi:
    """The management API of a server, used to deploy one model.

    Attributes:
        server: The server.
        repository: ``OWNER/REPO`` of the model, for error messages.
        cancellation: Ends requests from another thread.
    """

    server: FoundServer
    repository: str
    cancellation: Cancellation

    @property
    def address(self) -> ServerAddress:
        """The server's address."""
        return self.server.connection.address

    @property
    def instances_path(self) -> str:
        """Path of the list of instances."""
        return f"{self.server.release.management_path}/model-instances"

    def deployed_models(self) -> Iterator[DeployedModel]:
        """Yield all deployed models.

        Raises:
            ServerError: The server does not answer, or the API key may not list them.
        """
        return map(parse_deployed_model, self._list("/models"))

    def find_draw_backend(self) -> DrawBackend | None:
        """Find the backend of gpustack-draw that an administrator has added to a 2.x server.

        Returns:
            The backend, in the version for the GPUs of the default cluster; ``None`` without one.

        Raises:
            ServerError: The server does not answer, or the API key may not list backends.
        """
        try:
            backends = list(self._list("/inference-backends"))
        except DrawError as error:
            cause = error.__cause__
            if isinstance(cause, ResponseError) and cause.status == 404:
                return None  # a release without custom backends
            raise
        if choose_backend(backends, set()) is None:
            return None
        cluster = ("cluster_id", str(self._default_cluster_id()))
        gpus = {clean(str(gpu.get("type"))) for gpu in self._list("/gpu-devices", cluster)}
        return choose_backend(backends, gpus)

    def create_model(self, name: str, body: Mapping[str, Any]) -> DeployedModel:
        """Deploy a model, on the default cluster if the release has clusters.

        Args:
            name: Name of the deployment.
            body: The other fields of the request.

        Raises:
            ServerError: The server refuses, or has no cluster.
        """
        request = {"name": name, **body}
        if not self.server.release.uses_llama_box:
            request["cluster_id"] = self._default_cluster_id()
        return parse_deployed_model(self._request("POST", "/models", body=request))

    def explain(self, error: ResponseError) -> DrawError:
        """Return the error for a response of the API without the expected content."""
        release = self.server.release
        return explain_deployment_response(
            error,
            self.address,
            release.title,
            repository=self.repository,
            has_key_scopes=not release.uses_llama_box,
        )

    def _default_cluster_id(self) -> object:
        clusters = parse_items(self._request("GET", "/clusters"))
        if not clusters:
            raise ServerError(
                f"{self.address.url} has no cluster to deploy on",
                hint="add one on the server's web page",
            )
        default = next((each for each in clusters if each.get("is_default")), clusters[0])
        return default.get("id")

    def _list(self, path: str, *query: tuple[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        for page in range(1, _MAX_PAGES):
            paging = [*query, ("page", str(page)), ("perPage", "100")]
            response = self._request("GET", path, query=paging)
            yield from parse_items(response)
            pagination = response.get("pagination")
            pages = pagination.get("totalPage") if isinstance(pagination, dict) else 0
            if not isinstance(pages, int) or page >= pages:
                break

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        path = self.server.release.management_path + path
        try:
            return request_object(
                self.server.connection, method, path, self.cancellation, **options
            )
        except TransportError as error:
            raise explain_transport(error, self.address) from error
        except ResponseError as error:
            raise self.explain(error) from error
