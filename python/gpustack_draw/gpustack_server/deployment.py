"""Bring a model of Hugging Face onto a GPUStack server, with the server's management API."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw.errors import DrawError, ServerError, quoted
from gpustack_draw.gpustack_server import asking
from gpustack_draw.gpustack_server.address import DRAW_SECONDS
from gpustack_draw.gpustack_server.advice import explain_reply, explain_transport, may_not_deploy
from gpustack_draw.gpustack_server.cancellation import (
    Cancellation,
    TransportError,
    in_thread_telling,
)
from gpustack_draw.gpustack_server.connection import ServerConnection
from gpustack_draw.gpustack_server.deployment_plan import DeploymentPlan
from gpustack_draw.gpustack_server.models import (
    Instance,
    is_name,
    items_of,
    list_models,
    read_instance,
)
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.replies import ReplyError, parse_object, refusal_of
from gpustack_draw.progress.progress import Progress
from gpustack_draw.untrusted import clean

ProgressFunction = Callable[[Progress], None]

# States in which nothing has been found yet that could run the model.
_UNPLACED = frozenset({"pending", "analyzing", "scheduled", "unknown"})
_MOST_PAGES = 100
_SECONDS_BETWEEN_WATCHES = 1.0
_WATCH_LINE_BYTES = 1024 * 1024
# A model has a few instances, which are told of again with every percent that is fetched.
_WATCH_BYTES = 64 * 1024 * 1024
_MOST_INSTANCES = 1000
_CHECKS_OF_THE_NAME = 5


@dataclass
class _Wait:
    """What is known of a deployment while it gets ready."""

    begin: float = field(default_factory=time.monotonic)
    changed: float = field(default_factory=time.monotonic)
    instances: dict[str, Instance] = field(default_factory=dict)
    last: tuple[Instance, ...] | None = None
    first_percent: tuple[int, float] | None = None


class Deployment:
    """Deploys a model on a server, where it is not there yet, and waits until it runs."""

    def __init__(
        self, connection: ServerConnection, release: Release, wanted: DeploymentPlan
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._connection = connection
        self._address = connection.address
        self._release = release
        self._wanted = wanted
        self._management = release.management_path
        self._taken: set[str] = set()
        # Without a word for so long, the list of instances is asked for again.
        self._silence = min(2 * asking.ASK_SECONDS, max(self._address.deploy_seconds, 1.0))

    def run(self, on_progress: ProgressFunction | None = None) -> str:
        """Deploy the model, or find it deployed, and wait until it runs.

        Args:
            on_progress: Called with phase ``deploy``: percent fetched by the server. An error it
                raises ends the waiting; what is deployed stays.

        Returns:
            Its name on the server.

        Raises:
            ServerError: The key may not deploy; it failed there; or it stood still for too long.
        """
        return in_thread_telling(
            self._run, on_progress if on_progress is not None else lambda _: None
        )

    def _run(self, cancellation: Cancellation, on_progress: ProgressFunction) -> str:
        model = self._find(self._models(cancellation)) or self._create(cancellation)
        name = model.get("name")
        if not is_name(name):
            raise explain_reply(ReplyError("not json"), self._address, self._release.title)
        if model.get("replicas") == 0:
            raise ServerError(
                f"{quoted(name)} is deployed on {self._address.url}, but with no replicas",
                hint="start it on the server's web page",
            )
        self._wait(model, cancellation, on_progress)
        self._wait_for_name(name, cancellation)
        return name

    def _models(self, cancellation: Cancellation) -> Iterator[dict[str, Any]]:
        for page in range(1, _MOST_PAGES):
            query = [("page", str(page)), ("perPage", "100")]
            answer = self._ask("GET", "/models", cancellation, query=query)
            yield from items_of(answer)
            pagination = answer.get("pagination")
            pages = pagination.get("totalPage") if isinstance(pagination, dict) else 0
            if not isinstance(pages, int) or page >= pages:
                break

    def _find(self, models: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
        """Find the same model: by what it is made of, since its name can be anything."""
        found: dict[str, Any] | None = None
        for model in models:
            if model.get("name") in self._wanted.names:
                self._taken.add(str(model["name"]))
            is_same = (
                model.get("source") == "huggingface"
                and model.get("huggingface_repo_id") == self._wanted.repository
                and str(model.get("huggingface_filename") or "") in self._wanted.same
            )
            is_better = found is None or (
                model.get("ready_replicas") and not found.get("ready_replicas")
            )
            if is_same and is_better:
                found = model
        return found

    def _create(self, cancellation: Cancellation) -> dict[str, Any]:
        free = [name for name in self._wanted.names if name not in self._taken]
        if not free:
            names = " and ".join(quoted(name) for name in self._wanted.names)
            raise ServerError(
                f"{self._address.url} has other models with the names {names}",
                hint="rename or delete one on the server's web page",
            )
        body = {"name": free[0], **self._wanted.body}
        if not self._release.uses_llama_box:
            body |= self._cluster(cancellation)
        return self._ask("POST", "/models", cancellation, body=body)

    def _cluster(self, cancellation: Cancellation) -> dict[str, Any]:
        clusters = items_of(self._ask("GET", "/clusters", cancellation))
        if not clusters:
            raise ServerError(
                f"{self._address.url} has no cluster to deploy on",
                hint="add one on the server's web page",
            )
        default = next((each for each in clusters if each.get("is_default")), clusters[0])
        return {"cluster_id": default.get("id")}

    def _ask(
        self, method: str, path: str, cancellation: Cancellation, **options: Any
    ) -> dict[str, Any]:
        try:
            return asking.ask_object(
                self._connection, method, self._management + path, cancellation, **options
            )
        except TransportError as error:
            raise explain_transport(error, self._address) from error
        except ReplyError as error:
            raise self._explained(error) from error

    def _explained(self, error: ReplyError) -> DrawError:
        if error.status == 403:
            return may_not_deploy(self._address, self._release.uses_llama_box, error.words)
        if error.kind == "refused" and error.status != 401:
            because = f": {error.words}" if error.words else ""
            return ServerError(
                f"{self._address.url} does not deploy hf.co/{self._wanted.repository}"
                f" ({error.status}){because}",
                hint="deploy it on the server's web page, and draw with its name there",
            )
        return explain_reply(error, self._address, self._release.title)

    def _wait(
        self, model: dict[str, Any], cancellation: Cancellation, on_progress: ProgressFunction
    ) -> None:
        wait = _Wait()
        on_progress(Progress("deploy", 0, 0, 0.0))
        while not self._watch(clean(str(model.get("id"))), wait, cancellation, on_progress):
            # The server has ended the list, or is being restarted.
            self._check_patience(wait)
            cancellation.wait(_SECONDS_BETWEEN_WATCHES)

    def _watch(
        self, number: str, wait: _Wait, cancellation: Cancellation, on_progress: ProgressFunction
    ) -> bool:
        """Follow the instances until one runs; tell whether one does."""
        query = [("watch", "true"), ("model_id", number)]
        path = f"{self._management}/model-instances"
        line, count = bytearray(), 0
        try:
            with self._connection.ask(
                "GET", path, query=query, seconds=self._silence, cancellation=cancellation
            ) as reply:
                if reply.status >= 300:
                    raise self._explained(refusal_of(reply.read(65_536), "", reply.status))
                for piece in reply.pieces():
                    # An empty line comes every 15 seconds: the server is there.
                    reply.extend(self._silence)
                    *ends, rest = piece.split(b"\n")
                    for end in ends:
                        line += end
                        if line.strip() and self._read_event(bytes(line), number, wait):
                            return True
                        line.clear()
                    line += rest
                    count += len(piece)
                    if len(line) > _WATCH_LINE_BYTES:
                        raise explain_reply(
                            ReplyError("too long"), self._address, self._release.title
                        )
                    self._tell(wait, on_progress)
                    self._check_patience(wait)
                    if count > _WATCH_BYTES:
                        break  # it is asked again
        except TransportError as error:
            if error.kind not in {"cut", "refused", "timeout"}:
                raise explain_transport(error, self._address) from error
        return False

    def _read_event(self, line: bytes, number: str, wait: _Wait) -> bool:
        try:
            event = parse_object(line.replace(self._address.key.encode() or b"\0", b"***"))
            data = event["data"]
            if str(data.get("model_id", number)) != number:
                return False
            key = clean(str(data.get("id")))
            if event["type"] in {3, "DELETED"}:
                wait.instances.pop(key, None)
                return False
            instance = read_instance(data)
        except (ReplyError, KeyError, TypeError, AttributeError):
            return False
        if len(wait.instances) >= _MOST_INSTANCES:
            wait.instances.clear()
        wait.instances[key] = instance
        self._connection.log(f"instance {clean(str(data.get('name')))}: {instance.text}")
        if instance.state == "running":
            return True
        if all(each.state == "error" for each in wait.instances.values()):
            raise ServerError(
                f"hf.co/{self._wanted.repository} does not run on {self._address.url}:"
                f" {instance.text}",
                hint="look at its instances on the server's web page",
            )
        return False

    def _tell(self, wait: _Wait, on_progress: ProgressFunction) -> None:
        known = tuple(wait.instances.values())
        if known != wait.last:
            wait.last, wait.changed = known, time.monotonic()
        percents = [each.percent for each in known if each.percent is not None]
        seconds = time.monotonic() - wait.begin
        if percents and any(each.state == "downloading" for each in known):
            percent = max(percents)
            # The server has done other things first, and may go on with an earlier download.
            wait.first_percent = wait.first_percent or (percent, seconds)
            resumed, started = wait.first_percent
            on_progress(Progress("deploy", percent, 100, seconds, resumed=resumed, started=started))
        else:
            on_progress(Progress("deploy", 0, 0, seconds))

    def _check_patience(self, wait: _Wait) -> None:
        instances = list(wait.instances.values())
        unplaced = all(each.state in _UNPLACED for each in instances)
        patience = self._address.deploy_seconds
        if not unplaced and self._address.timeout is None:
            patience = DRAW_SECONDS  # a large model takes its time to load
        if time.monotonic() - wait.changed < patience:
            return
        state = instances[0].text if instances else "it has no instance"
        raise ServerError(
            f"hf.co/{self._wanted.repository} has not come to run on {self._address.url}"
            f" for {patience:g} seconds: {state}",
            hint="the server's workers may have no room for it; it stays deployed there, and"
            " --timeout SECONDS waits longer",
        )

    def _wait_for_name(self, name: str, cancellation: Cancellation) -> None:
        """Wait until the name can be called, which can take a moment longer."""
        for _ in range(_CHECKS_OF_THE_NAME):
            models = list_models(self._connection, self._release, cancellation)
            if name in {model.name for model in models}:
                return
            cancellation.wait(_SECONDS_BETWEEN_WATCHES)
