"""A model on a GPUStack server, to draw with as with one on this machine."""

from collections.abc import Sequence

from gpustack_draw.errors import quoted
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.connection import LogFunction
from gpustack_draw.gpustack_server.deployment import Deployment
from gpustack_draw.gpustack_server.deployment_plan import DeploymentPlan, plan_deployment
from gpustack_draw.gpustack_server.server import GpustackServer, ProgressFunction
from gpustack_draw.model import Model
from gpustack_draw.plan import ModelPlan
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.model_reference import HubModel, ModelReference, ServerModel
from gpustack_draw.resolver.families import FAMILIES, Family
from gpustack_draw.resolver.resolved_model import ResolvedModel, option_of

_FAMILY = Family(name="", title="a model on a server", defaults=FAMILIES["sd1"].defaults)


class ModelOnServer(Model):
    """A model on a GPUStack server. Made by :func:`gpustack_draw.load`.

    Of :attr:`resolved` only the name and the kind, ``server``, tell something: files and family are
    the server's own business.
    """

    def __init__(
        self,
        reference: ModelReference,
        address: ServerAddress,
        ignored: Sequence[str],
        on_log: LogFunction | None = None,
    ) -> None:
        """Find the server; ask it for the model, or tell what deploying it there takes.

        Args:
            reference: A name on the server, or a model of Hugging Face to be deployed there.
            address: The server.
            ignored: Arguments that have no effect on a server.
            on_log: Called with level and text.

        Raises:
            DrawError: There is no server, or it cannot draw with the model.
        """
        name = reference.name if isinstance(reference, ServerModel) else ""
        self._server = GpustackServer(address, name, on_log=on_log)
        self._wanted: DeploymentPlan | None = None
        notes = [
            f"{option_of(option)} has no effect: the picture is drawn on a server"
            for option in ignored
        ]
        if isinstance(reference, HubModel):
            self._wanted = plan_deployment(reference, self._server.release(), self._server.address)
            self._server.name = self._wanted.names[0]
            notes += self._wanted.notes
        else:
            self._server.look_up()
        resolved = ResolvedModel(
            reference=reference,
            name=self._server.name,
            source="server",
            family=_FAMILY,
            variant="",
            files=(),
            defaults=_FAMILY.defaults,
            notes=tuple(notes),
        )
        super().__init__(resolved, self._server)
        self._is_fetched = self._wanted is None

    def _fetch(self, on_progress: ProgressFunction | None) -> tuple[str, ...]:
        with self._fetch_lock:
            if self._is_fetched or self._wanted is None:
                return ()
            server = self._server
            deployment = Deployment(server.find(), self._wanted)
            server.name = deployment.run(on_progress)
            self._is_fetched = True
        return (f"deployed on {server.device} as {quoted(server.name)}",)

    def plan(self, request: DrawRequest) -> ModelPlan:
        """Return the plan of a drawing; deploys and draws nothing.

        Raises:
            DrawError: A value does not fit.
        """
        notes = list(self.check(request))
        if self._wanted is not None:
            what = self._wanted.file or "all of it"
            notes.append(
                f"hf.co/{self._wanted.repository} ({what}) would be deployed as"
                f" {quoted(self._wanted.names[0])}, where it is not there yet"
            )
        settings = self._server.plan(request).settings[0]
        return ModelPlan(
            model=self.resolved.reference.text,
            source="server",
            family="",
            variant="",
            files=(),
            fetch_bytes=0,
            memory_bytes=0,
            memory_free_bytes=None,
            fits=None,
            defaults=settings.planned(),
            native_size=None,
            device=self._server.device,
            notes=tuple(notes),
        )

    def __repr__(self) -> str:
        """Say which model it is and where."""
        return f"<Model {self._server.name} on {self._server.device}>"
