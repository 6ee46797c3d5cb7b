"""Requests the pictures of one plan from a server, with retries and explained errors."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import DrawError, quoted
from gpustack_draw.gpustack_server.batch import EventFunction
from gpustack_draw.gpustack_server.cancellation import Cancellation, TransportError
from gpustack_draw.gpustack_server.connection import Response
from gpustack_draw.gpustack_server.form import Form
from gpustack_draw.gpustack_server.models import find_state, image_model_names
from gpustack_draw.gpustack_server.plan_edit import form_files
from gpustack_draw.gpustack_server.plan_request import ServerPlan
from gpustack_draw.gpustack_server.read_picture import MAX_UNREQUESTED_PIXELS, read_preview
from gpustack_draw.gpustack_server.release import FoundServer
from gpustack_draw.gpustack_server.reply import Preview, Reply, parse_reply
from gpustack_draw.gpustack_server.responses import ResponseError, parse_error_body
from gpustack_draw.gpustack_server.retry import RequestTracker, Retry
from gpustack_draw.gpustack_server.server_errors import (
    explain_response,
    explain_transport,
    no_edits,
    not_gpustack,
    stopped_model,
    too_large_upload,
    unknown_model,
    unknown_own_model,
)
from gpustack_draw.gpustack_server.stream_reader import StreamReader

# A PNG file of noise has 3 bytes per pixel, and 4 in base64.
_BYTES_PER_PIXEL = 8
_MAX_ERROR_BYTES = 65_536


@dataclass(frozen=True)
class _Limits:
    """Limits of one picture.

    Attributes:
        max_bytes: Maximum size of a response.
        end: Deadline of all its requests, in seconds of ``time.monotonic``.
    """

    max_bytes: int
    end: float

    def seconds_left(self) -> float:
        return self.end - time.monotonic()


class PictureClient:
    """A client for the pictures of one plan. Threads share it."""

    def __init__(self, server: FoundServer, name: str, plan: ServerPlan) -> None:
        """Create the client; nothing is sent yet.

        Args:
            server: The server.
            name: The model's name there.
            plan: The requests.
        """
        self._server = server
        self._connection = server.connection
        self._address = server.connection.address
        self._name = name
        self._plan = plan
        pictures = plan.pictures
        self._files = () if pictures is None else form_files(pictures.engine, plan.backend)
        self._tracker = RequestTracker()

    def draw(self, index: int, on_event: EventFunction, cancellation: Cancellation) -> Reply:
        """Request a picture and return what the server sent.

        Args:
            index: Index of the picture in the plan, from 0.
            on_event: Called with each step and each preview that the server reports.
            cancellation: Ends the request from another thread.

        Raises:
            DrawError: The server did not draw.
            TransportError: The request was cancelled.
        """
        settings = self._plan.settings[index]
        largest = settings.hires or settings
        pixels = max(largest.width * largest.height, MAX_UNREQUESTED_PIXELS)
        end = time.monotonic() + self._address.draw_seconds
        limits = _Limits(pixels * _BYTES_PER_PIXEL, end)
        body = self._plan.bodies[index]
        try:
            if self._plan.stream:
                try:
                    return self._post({**body, **self._plan.stream}, limits, on_event, cancellation)
                except _EmptyResponseError:
                    # GPUStack 0.7.1 sends no body for a backend that cannot stream.
                    self._connection.log("empty response: repeating the request without a stream")
            return self._post(body, limits, on_event, cancellation)
        except _EmptyResponseError as error:
            raise self._explain_response(ResponseError("no picture")) from error
        except ResponseError as error:
            raise self._explain_refusal(error, cancellation) from error
        except TransportError as error:
            raise explain_transport(error, self._address, drawing=True) from error

    def _post(
        self,
        body: Mapping[str, Any],
        limits: _Limits,
        on_event: EventFunction,
        cancellation: Cancellation,
    ) -> Reply:
        """Send a request, repeated while the server is busy or restarting."""
        release, files = self._server.release, self._files
        retry = Retry(self._tracker, repeats_cut_streams=self._plan.repeats_cut_streams)
        while True:
            error: ResponseError | TransportError
            try:
                with (
                    self._tracker.track(),
                    self._connection.request(
                        "POST",
                        release.edits_path if files else release.images_path,
                        body=Form(body, files) if files else body,
                        seconds=max(limits.seconds_left(), 0.001),
                        cancellation=cancellation,
                    ) as response,
                ):
                    reply = self._read(response, limits.max_bytes, on_event)
                self._tracker.count_drawn()
                return reply
            except ResponseError as failure:
                error = failure.without(self._address.key)
            except _EmptyResponseError:
                if not self._plan.repeats_cut_streams:
                    raise
                error = ResponseError("no picture")
            except TransportError as failure:
                error = failure
            delay = retry.next_delay(error)
            if delay is None or delay > limits.seconds_left():
                raise error
            self._connection.log(f"repeating the request in {delay:.1f} s")
            cancellation.wait(delay)

    def _read(self, response: Response, max_bytes: int, on_event: EventFunction) -> Reply:
        media_type = response.content_type
        if response.status >= 300:
            body = response.read(_MAX_ERROR_BYTES)
            error = parse_error_body(body, media_type, response.status)
            error.retry_after = response.retry_after()
            raise error
        if "html" in media_type:
            raise not_gpustack(self._address)
        if media_type == "text/event-stream":
            return _read_stream(response, max_bytes, on_event)
        return _read_object(response, max_bytes)

    def _explain_refusal(self, error: ResponseError, cancellation: Cancellation) -> DrawError:
        """Return the error for a refusal, with the model's state if it is the cause."""
        if self._files and (explained := self._explain_refused_pictures(error)):
            return explained
        message = error.message.lower()
        if self._server.release.is_own:
            if error.status == 404 and quoted(self._name) in error.message:  # not a LoRA's
                known = image_model_names(self._server, cancellation)
                return unknown_own_model(self._name, self._address, known)
            return self._explain_response(error)
        # 2.0 forbids models that do not exist or that it hides from a key.
        is_missing = error.status == 404 or (error.status == 403 and message == "model not found")
        is_stopped = "no running instance" in message or "no running model instance" in message
        if not (is_missing or is_stopped):
            return self._explain_response(error)
        if is_stopped:
            state = find_state(self._server, self._name, cancellation)
            if state or not is_missing:
                return stopped_model(self._name, self._address, state)
        return unknown_model(
            self._name,
            self._address,
            image_model_names(self._server, cancellation),
            may_be_stopped=is_stopped,
            may_be_hidden=bool(self._address.key) and not self._server.release.uses_llama_box,
        )

    def _explain_refused_pictures(self, error: ResponseError) -> DrawError | None:
        """Return the error for a refusal whose cause is that pictures were sent."""
        if error.status == 413:
            uploaded = sum(len(file.content) for file in self._files)
            return too_large_upload(uploaded, self._address, error.message)
        # A missing model is another message with the same status.
        is_missing = error.status == 404 and error.message.lower() in {"", "not found"}
        if is_missing or error.status == 405:
            release = self._server.release.title
            return no_edits(self._name, self._address, release, error.status)
        return None

    def _explain_response(self, error: ResponseError) -> DrawError:
        title = self._server.release.title
        return explain_response(error, self._address, title, model=self._name)


class _EmptyResponseError(Exception):
    """The response ended before any content arrived."""


def _read_stream(response: Response, max_bytes: int, on_event: EventFunction) -> Reply:
    reader = StreamReader(max_bytes)
    try:
        for piece in response.pieces():
            for event in reader.feed(piece):
                if not isinstance(event, Preview):
                    on_event(event)
                elif (preview := read_preview(event.file)) is not None:
                    on_event(preview)
            if reader.is_complete:
                break
    except TransportError as error:
        if error.problem != "cut":
            raise
        if not reader.events:
            raise _EmptyResponseError from error
        raise ResponseError("no picture") from error
    if reader.events:
        return reader.finish()
    try:
        return reader.finish()  # a single line without an end
    except ResponseError as error:
        if error.problem == "no picture":
            raise _EmptyResponseError from error
        raise


def _read_object(response: Response, max_bytes: int) -> Reply:
    body = bytearray()
    try:
        for piece in response.pieces():
            body += piece
            if len(body) > max_bytes:
                raise ResponseError("too long")
    except TransportError as error:
        if error.problem == "cut":
            raise _EmptyResponseError from error
        raise
    if not body:
        raise _EmptyResponseError
    return parse_reply(bytes(body))
