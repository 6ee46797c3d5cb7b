"""Deploys a Hugging Face model on a GPUStack server."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpustack_draw.errors import ServerError, quoted
from gpustack_draw.gpustack_server import retry
from gpustack_draw.gpustack_server.cancellation import Cancellation, run_in_thread_with_events
from gpustack_draw.gpustack_server.instance_watcher import InstanceWatcher
from gpustack_draw.gpustack_server.management import ManagementApi
from gpustack_draw.gpustack_server.models import DeployedModel, list_models
from gpustack_draw.gpustack_server.release import FoundServer
from gpustack_draw.gpustack_server.responses import ResponseError
from gpustack_draw.progress.callbacks import ProgressFunction

if TYPE_CHECKING:
    from gpustack_draw.gpustack_server.deployment_plan import DeploymentPlan

_MAX_NAME_POLLS = 5


class Deployment:
    """The deployment of a model, found on the server or created."""

    def __init__(self, server: FoundServer, plan: "DeploymentPlan") -> None:
        """Create the deployment; nothing is sent yet."""
        self._server = server
        self._address = server.connection.address
        self._plan = plan

    def run(self, on_progress: ProgressFunction | None = None) -> str:
        """Find the deployed model, or deploy it, and wait until it runs.

        Args:
            on_progress: Called with phase ``deploy``: percent downloaded by the server. An error it
                raises ends the wait, but not the deployment.

        Returns:
            The model's name on the server.

        Raises:
            ServerError: The API key may not deploy, the deployment failed, or it made no progress
                for too long.
        """
        return run_in_thread_with_events(
            self._run, on_progress if on_progress is not None else lambda _: None
        )

    def _run(self, cancellation: Cancellation, on_progress: ProgressFunction) -> str:
        api = ManagementApi(self._server, self._plan.repository, cancellation)
        model = self._find_or_create(api)
        if not model.name:
            raise api.explain(ResponseError("not json"))
        if model.is_stopped:
            raise ServerError(
                f"{quoted(model.name)} is deployed on {self._address.url} without replicas",
                hint="start it on the server's web page",
            )
        InstanceWatcher(api, model.id, on_progress).wait()
        self._wait_for_name(model.name, cancellation)
        return model.name

    def _find_or_create(self, api: ManagementApi) -> DeployedModel:
        deployed = list(api.deployed_models())
        return self._find(deployed) or api.create_model(self._free_name(deployed), self._plan.body)

    def _find(self, deployed: Iterable[DeployedModel]) -> DeployedModel | None:
        """Return a deployment of the same file, whatever its name; a running one if possible."""
        same = [
            model
            for model in deployed
            if model.repository == self._plan.repository and model.file in self._plan.same_files
        ]
        return next((model for model in same if model.is_ready), same[0] if same else None)

    def _free_name(self, deployed: Iterable[DeployedModel]) -> str:
        used = {model.name for model in deployed}
        free = [name for name in self._plan.names if name not in used]
        if not free:
            names = " and ".join(quoted(name) for name in self._plan.names)
            raise ServerError(
                f"the names {names} belong to other models on {self._address.url}",
                hint="rename or delete one on the server's web page",
            )
        return free[0]

    def _wait_for_name(self, name: str, cancellation: Cancellation) -> None:
        """Wait until requests may use the name, shortly after the first instance runs."""
        for _ in range(_MAX_NAME_POLLS):
            models = list_models(self._server, cancellation)
            if name in {model.name for model in models}:
                return
            cancellation.wait(retry.POLL_DELAY)
