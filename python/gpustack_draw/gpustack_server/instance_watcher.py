"""Waits until an instance of a deployed model runs, with the progress of its download."""

import time
from urllib.parse import quote

from gpustack_draw.errors import ServerError
from gpustack_draw.gpustack_server import request_json, retry
from gpustack_draw.gpustack_server.address import DRAW_SECONDS
from gpustack_draw.gpustack_server.cancellation import TransportError
from gpustack_draw.gpustack_server.connection import Response
from gpustack_draw.gpustack_server.management import ManagementApi
from gpustack_draw.gpustack_server.models import Instance, parse_instance
from gpustack_draw.gpustack_server.responses import ResponseError, parse_error_body, parse_object
from gpustack_draw.gpustack_server.server_errors import explain_transport
from gpustack_draw.phrases import phrase
from gpustack_draw.progress.callbacks import ProgressFunction
from gpustack_draw.progress.progress import Progress
from gpustack_draw.untrusted import clean

# States before a worker has accepted the instance.
_UNPLACED = frozenset({"pending", "analyzing", "scheduled", "unknown"})
_MAX_LINE_BYTES = 1024 * 1024
# Every percent of a download is an event.
_MAX_WATCH_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 65_536
_MAX_INSTANCES = 1000
_LOG_SECONDS = 5.0


class InstanceWatcher:
    """The instances of one deployed model, followed through the server's event stream."""

    def __init__(self, api: ManagementApi, model_id: str, on_progress: ProgressFunction) -> None:
        """Start the clock; nothing is sent yet.

        Args:
            api: The server's management API.
            model_id: The model's number on the server.
            on_progress: Called with phase ``deploy``: percent downloaded by the server.
        """
        self._api = api
        self._address = api.address
        self._model_id = model_id
        self._on_progress = on_progress
        # A stream that is silent for longer is opened again.
        self._max_silence = min(
            2 * request_json.REQUEST_SECONDS, max(self._address.deploy_seconds, 1.0)
        )
        self._begin = self._changed = time.monotonic()
        self._instances: dict[str, Instance] = {}
        self._reported: tuple[Instance, ...] | None = None
        self._first_percent: tuple[int, float] | None = None

    def wait(self) -> None:
        """Wait until an instance runs.

        Raises:
            ServerError: All instances failed, or nothing changed for too long.
        """
        self._on_progress(Progress("deploy", 0, 0, 0.0))
        while not self._watch():
            # The server has ended the stream, or is restarting.
            self._check_progress()
            self._api.cancellation.wait(retry.POLL_DELAY)

    def _watch(self) -> bool:
        """Open the event stream and return whether an instance runs."""
        connection = self._api.server.connection
        try:
            with connection.request(
                "GET",
                self._api.instances_path,
                query=[("watch", "true"), ("model_id", self._model_id)],
                seconds=self._max_silence,
                cancellation=self._api.cancellation,
            ) as response:
                if response.status >= 300:
                    body = response.read(_MAX_ERROR_BYTES)
                    raise self._api.explain(parse_error_body(body, "", response.status))
                return self._read_stream(response)
        except TransportError as error:
            if error.problem not in {"cut", "refused", "timeout"}:
                raise explain_transport(error, self._address) from error
        return False

    def _read_stream(self, response: Response) -> bool:
        line, count = bytearray(), 0
        for piece in response.pieces():
            # The server sends at least an empty line every 15 seconds.
            response.extend(self._max_silence)
            *ends, rest = piece.split(b"\n")
            for end in ends:
                line += end
                if line.strip() and self._read_event(bytes(line)):
                    return True
                line.clear()
            line += rest
            if len(line) > _MAX_LINE_BYTES:
                raise self._api.explain(ResponseError("too long"))
            self._report()
            self._check_progress()
            count += len(piece)
            if count > _MAX_WATCH_BYTES:
                break
        return False

    def _read_event(self, line: bytes) -> bool:
        """Update an instance from an event and return whether it runs."""
        try:
            event = parse_object(line.replace(self._address.key.encode() or b"\0", b"***"))
            data = event["data"]
            if str(data.get("model_id", self._model_id)) != self._model_id:
                return False
            key = clean(str(data.get("id")))
            if event["type"] in {3, "DELETED"}:
                self._instances.pop(key, None)
                return False
            instance = parse_instance(data)
        except (ResponseError, KeyError, TypeError, AttributeError):
            return False
        if len(self._instances) >= _MAX_INSTANCES:
            self._instances.clear()
        self._instances[key] = instance
        name = clean(str(data.get("name")))
        self._api.server.connection.log(f"instance {name}: {instance.text}")
        if instance.state == "running":
            return True
        if all(each.state == "error" for each in self._instances.values()):
            end = self._read_end_of_log(key)
            log = f"; its log ends with: {end}" if end else ""
            raise ServerError(
                f"hf.co/{self._api.repository} failed to start on {self._address.url}:"
                f" {instance.text.removesuffix('.')}{log}",
                hint="check its instances on the server's web page",
            )
        return False

    def _read_end_of_log(self, instance: str) -> str:
        """Return the last two lines that an instance has printed; empty if there are none.

        The log begins with lines of GPUStack itself, with the variables of the container.
        """
        try:
            with self._api.server.connection.request(
                "GET",
                f"{self._api.instances_path}/{quote(instance, safe='')}/logs",
                query=[("tail", "5")],
                seconds=_LOG_SECONDS,
                cancellation=self._api.cancellation,
            ) as response:
                text = response.read(_MAX_ERROR_BYTES) if response.status == 200 else b""
        except TransportError:
            return ""
        lines = text.replace(self._address.key.encode() or b"\0", b"***").decode(errors="replace")
        ends = list(filter(None, map(clean, lines.splitlines())))[-2:]
        own = [index for index, line in enumerate(ends) if " - gpustack." in line]
        return "; ".join(ends[own[-1] + 1 :] if own else ends)

    def _report(self) -> None:
        instances = tuple(self._instances.values())
        if instances != self._reported:
            self._reported, self._changed = instances, time.monotonic()
        percents = [each.percent for each in instances if each.percent is not None]
        seconds = time.monotonic() - self._begin
        if percents and any(each.state == "downloading" for each in instances):
            percent = max(percents)
            # The rate excludes the time before the download and bytes of an earlier one.
            self._first_percent = self._first_percent or (percent, seconds)
            resumed, started = self._first_percent
            self._on_progress(
                Progress("deploy", percent, 100, seconds, resumed=resumed, started=started)
            )
        else:
            self._on_progress(Progress("deploy", 0, 0, seconds))

    def _check_progress(self) -> None:
        """Raise an error if no instance has changed for too long.

        Raises:
            ServerError: The time is over.
        """
        instances = list(self._instances.values())
        is_placed = any(each.state not in _UNPLACED for each in instances)
        limit = self._address.deploy_seconds
        if is_placed and self._address.timeout is None:
            limit = DRAW_SECONDS  # a worker may load a large model for long
        if time.monotonic() - self._changed < limit:
            return
        state = instances[0].text if instances else "no instance"
        raise ServerError(
            f"the deployment of hf.co/{self._api.repository} on {self._address.url} made no"
            f" progress for {limit:g} seconds: {state}",
            hint=phrase(
                "the server's workers may lack resources for it; the model stays deployed, and"
                " {timeout=SECONDS} waits longer"
            ),
            argument="timeout",
        )
