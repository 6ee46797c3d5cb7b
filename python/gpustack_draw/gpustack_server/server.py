"""Drawing on a GPUStack server: a model's name and a request become pictures."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from gpustack_draw.errors import DrawError, ModelNotFoundError, ServerError, quoted
from gpustack_draw.gpustack_server import asking
from gpustack_draw.gpustack_server.address import ServerAddress
from gpustack_draw.gpustack_server.advice import (
    explain_reply,
    explain_transport,
    no_gpustack,
    unknown_model,
)
from gpustack_draw.gpustack_server.batch import Batch, Outcome, StepFunction
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError, in_thread
from gpustack_draw.gpustack_server.connection import LogFunction, Reply, ServerConnection
from gpustack_draw.gpustack_server.models import RunningModel, list_models, state_of_model
from gpustack_draw.gpustack_server.patience import Patience, Work
from gpustack_draw.gpustack_server.plan_request import ServerPlan, plan_request
from gpustack_draw.gpustack_server.read_picture import MAX_UNASKED_PIXELS, read_picture
from gpustack_draw.gpustack_server.release import Release, find_release
from gpustack_draw.gpustack_server.replies import (
    ReplyError,
    StreamReader,
    picture_of,
    refusal_of,
)
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest

ProgressFunction = Callable[[Progress], None]

# A PNG file of noise has 3 bytes a pixel, in base64 4.
_BYTES_A_PIXEL = 8
_MOST_ERROR_BYTES = 65_536
# What a drawing may be tried with: models of the category, and those that have none.
_CATEGORIES = ("image", "unknown", "")


class GpustackServer:
    """A model on a GPUStack server, ready to draw. Threads may share it.

    Attributes:
        address: The server.
        name: The model's name there.
    """

    def __init__(
        self, address: ServerAddress, name: str = "", *, on_log: LogFunction | None = None
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            address: The server.
            name: The model's name there; empty where only the server is asked about.
            on_log: Called with level and text of what is asked and answered, the prompt included
                but no key and no picture; from several threads.
        """
        self.address = address
        self.name = name
        self._connection = ServerConnection(address, on_log)
        self._release: Release | None = None
        self._model: RunningModel | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the server was found, and has the model."""
        return self._model is not None

    @property
    def connection(self) -> ServerConnection:
        """The server, where it really is."""
        return self._connection

    @property
    def device(self) -> str:
        """Where it draws, as pictures tell it."""
        title = self._release.title if self._release else "GPUStack"
        return f"{title} at {urlsplit(self.address.url).netloc}"

    def release(self) -> Release:
        """Ask the server for its release, once.

        Raises:
            DrawError: There is no server, or it is none that can draw.
        """
        if self._release is None:
            first = self._connection
            name = self.name
            self._release, self._connection = in_thread(
                lambda cancellation: find_release(first, cancellation, name)
            )
            self.address = self._connection.address
            self._connection.log(f"server: {self.device}")
        return self._release

    def look_up(self) -> None:
        """Ask the server what it has of the model, once.

        Raises:
            DrawError: There is no server, it wants a key, or the model is none that draws.
        """
        release = self.release()
        if self._model is None:
            self._model = in_thread(lambda cancellation: self._find_model(release, cancellation))

    def image_models(self) -> list[str]:
        """Ask the server for the names of its models that draw, as far as they run.

        Raises:
            DrawError: There is no server, it wants a key, or does not answer as it should.
        """
        release = self.release()
        found = in_thread(
            lambda cancellation: list_models(self._connection, release, cancellation, ("image",))
        )
        return [model.name for model in found]

    def plan(self, request: DrawRequest) -> ServerPlan:
        """Tell what will be asked of the server, as far as it is known what the server has.

        Raises:
            DrawError: There is no server, or a value does not fit.
        """
        return plan_request(request, self.release(), self._model or RunningModel(self.name))

    def check(self, request: DrawRequest) -> tuple[str, ...]:
        """Tell what of a request will be changed, or cannot be honoured, by the server.

        Raises:
            DrawError: There is no server, or a value does not fit.
        """
        return self.plan(request).notes

    def generate(
        self,
        request: DrawRequest,
        on_progress: ProgressFunction | None = None,
        *,
        preview: bool = False,  # noqa: ARG002 - no server is asked for previews
    ) -> Iterator[Picture]:
        """Draw the pictures of a request, several at once; they come in order.

        Args:
            request: What to draw.
            on_progress: Called, in this thread, as the next picture comes along. An error it raises
                ends the drawing.
            preview: Without effect.

        Yields:
            The pictures, seeds counting up. Where one fails, those that are on their way still
            come, before the error.

        Raises:
            UsageError: A value does not fit the model.
            ModelNotFoundError: The server has no such model, or none that draws.
            ServerError: There is no server, or it gave no picture.
        """
        self.look_up()
        plan = self.plan(request)
        work = Work()
        batch = Batch(lambda number, *how: self._draw(plan, number, work, *how), len(plan.settings))
        failure: BaseException | None = None
        try:
            for number in range(len(plan.settings)):
                outcome = batch.take(number, on_progress)
                if outcome is None:
                    break
                try:
                    picture = self._picture(plan, number, outcome)
                except Exception as error:  # noqa: BLE001, RUF100 - raised when the others are done
                    failure = failure or error
                    batch.stop_starting()
                else:
                    yield picture
            if failure is not None:
                raise failure
        finally:
            batch.close()

    def close(self) -> None:
        """Forget what the server has told; no connection is kept anyway."""
        self._model = None

    def _picture(self, plan: ServerPlan, number: int, outcome: Outcome) -> Picture:
        if outcome.error is not None:
            raise outcome.error
        try:
            return read_picture(
                outcome.file,
                plan.settings[number],
                model=self.name,
                device=self.device,
                seconds=outcome.seconds,
            )
        except ReplyError as error:
            raise self._explained(error) from error

    def _find_model(self, release: Release, cancellation: Cancellation) -> RunningModel:
        """Find the model among those that run; one that is not there may be drawn with, or not.

        Raises:
            ServerError: The server wants a key, or another one.
            ModelNotFoundError: It runs, but is of another kind.
        """
        candidates = self._list(release, cancellation, _CATEGORIES)
        running = candidates or []
        if self.name not in {model.name for model in running}:
            running = self._list(release, cancellation) or []
        found = next((model for model in running if model.name == self.name), None)
        if found is None:
            return RunningModel(self.name)
        if candidates is None or found in candidates:
            return found
        images = self._list(release, cancellation, ("image",)) or []
        names = ", ".join(model.name for model in images[:10])
        raise ModelNotFoundError(
            f"{quoted(self.name)} on {self.address.url} is no image model",
            hint=f"it draws with {names}" if names else "it runs no image model",
        )

    def _list(
        self, release: Release, cancellation: Cancellation, categories: tuple[str, ...] = ()
    ) -> list[RunningModel] | None:
        """List models; ``None`` where the server cannot: it only helps, drawing has the last word.

        Raises:
            ServerError: There is no server any more, or it wants a key or another one.
        """
        try:
            return list_models(self._connection, release, cancellation, categories)
        except DrawError as error:
            reply = error.__cause__
            if not isinstance(reply, ReplyError) or reply.status == 401:
                raise
            self._connection.log(f"the models cannot be listed: {error.message}")
            return None

    def _draw(
        self,
        plan: ServerPlan,
        number: int,
        work: Work,
        on_step: StepFunction,
        cancellation: Cancellation,
    ) -> bytes:
        settings = plan.settings[number]
        pixels = max(settings.width * settings.height, MAX_UNASKED_PIXELS)
        limit = pixels * _BYTES_A_PIXEL
        end = time.monotonic() + self.address.draw_seconds
        body = plan.bodies[number]
        try:
            if plan.streams:
                try:
                    streamed = {**body, "stream": True}
                    return self._post(streamed, limit, end, work, on_step, cancellation)
                except _NothingStreamedError:
                    # A backend that knows no streams: 0.7.1 then cuts its answer off at once.
                    self._connection.log("nothing was streamed: asking again without")
            return self._post(body, limit, end, work, on_step, cancellation)
        except _NothingStreamedError as error:
            raise self._explained(ReplyError("no picture")) from error
        except ReplyError as error:
            raise self._why_not(error, cancellation) from error
        except TransportError as error:
            raise explain_transport(error, self.address, drawing=True) from error

    def _post(
        self,
        body: dict[str, Any],
        limit: int,
        end: float,
        work: Work,
        on_step: StepFunction,
        cancellation: Cancellation,
    ) -> bytes:
        """Ask for a picture; again, where waiting a little may help."""
        refused, patience = list(asking.REFUSED_WAITS), Patience(work)
        while True:
            try:
                with (
                    work.request(),
                    self._connection.ask(
                        "POST",
                        self.release().images_path,
                        body=body,
                        seconds=max(end - time.monotonic(), 0.001),
                        cancellation=cancellation,
                    ) as reply,
                ):
                    pause = patience.pause(reply.status, reply.retry_after())
                    if pause is None or pause > end - time.monotonic():
                        file = self._read(reply, limit, on_step)
                        work.count_drawn()
                        return file
            except ReplyError as error:
                raise error.without(self.address.key) from None
            except TransportError as error:
                if error.kind != "refused" or not refused:
                    raise
                pause = refused.pop(0)
            self._connection.log(f"asking again in {pause:.1f} s")
            cancellation.wait(pause)

    def _read(self, reply: Reply, limit: int, on_step: StepFunction) -> bytes:
        kind = reply.content_type
        if reply.status >= 300:
            raise refusal_of(reply.read(_MOST_ERROR_BYTES), kind, reply.status)
        if "html" in kind:
            raise no_gpustack(self.address)
        if kind != "text/event-stream":
            return _read_object(reply, limit)
        reader = StreamReader(limit)
        try:
            for piece in reply.pieces():
                for step in reader.feed(piece):
                    on_step(step)
                if reader.is_complete:
                    break
        except TransportError as error:
            if error.kind != "cut":
                raise
            if not reader.events:
                raise _NothingStreamedError from error
            raise ReplyError("no picture") from error
        if not reader.events:
            return _from_first_line(reader)
        return reader.finish()

    def _why_not(self, error: ReplyError, cancellation: Cancellation) -> DrawError:
        """Explain why a server did not draw; asks it what it has, if that is the reason."""
        words = error.words.lower()
        # 2.0 calls a model that it does not have, or hides from a key, forbidden.
        missing = error.status == 404 or (error.status == 403 and words == "model not found")
        stopped = "no running instances" in words
        if not (missing or stopped):
            return self._explained(error)
        release = self.release()
        if stopped:
            state = state_of_model(self._connection, release, self.name, cancellation)
            if state is not None:
                return ServerError(
                    f"{quoted(self.name)} does not run on {self.address.url}: {state}",
                    hint="start it, or look at its instances, on the server's web page",
                )
        if missing:
            images = self._list(release, cancellation, ("image",)) or []
            names = [model.name for model in images]
            return unknown_model(
                self.name,
                self.address,
                names,
                or_stopped=stopped,
                or_hidden=bool(self.address.key) and not release.uses_llama_box,
            )
        return ServerError(
            f"{quoted(self.name)} is on {self.address.url}, but no instance of it runs",
            hint="start it, or look at its instances, on the server's web page",
        )

    def _explained(self, error: ReplyError) -> DrawError:
        return explain_reply(error, self.address, self.release().title, model=self.name)


class _NothingStreamedError(Exception):
    """An answer to a request for a stream ended before anything came."""


def _read_object(reply: Reply, limit: int) -> bytes:
    body = bytearray()
    try:
        for piece in reply.pieces():
            body += piece
            if len(body) > limit:
                raise ReplyError("too long")
    except TransportError as error:
        if error.kind == "cut":
            raise _NothingStreamedError from error
        raise
    if not body:
        raise _NothingStreamedError
    return picture_of(bytes(body))


def _from_first_line(reader: StreamReader) -> bytes:
    try:
        return reader.finish()
    except ReplyError as error:
        if error.kind == "no picture":
            raise _NothingStreamedError from error
        raise
