"""The response to a request for pictures, which are drawn while the client waits.

The drawing ends when the client closes the connection, whether the response is a stream or not.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gpustack_draw import DrawError, Picture
from gpustack_draw.serve.http.errors import answer_for, error_response
from gpustack_draw.serve.openai.event_stream import EventStream
from gpustack_draw.serve.openai.events import data_line
from gpustack_draw.serve.openai.reply import reply_body, reply_item
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.openai.stream_lines import StreamLines
from gpustack_draw.serve.studio import Drawn, Event


class DrawingResponse:
    """An ASGI application that draws, and responds with the pictures."""

    def __init__(
        self, draw: Callable[[], AsyncGenerator[Event, None]], options: ReplyOptions, kind: str
    ) -> None:
        """Prepare a response.

        Args:
            draw: Starts the drawing.
            options: The options of the request.
            kind: First part of the types of its events.
        """
        self._draw = draw
        self._options = options
        self._kind = kind
        self._is_complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw, and respond.

        Raises:
            ClientDisconnect: The client closed the connection before the end of the response.
            Exception: An error that nobody expects.
        """
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._end_without_client, receive, group)
            try:
                if self._options.stream:
                    await self._stream(group, scope, receive, send)
                else:
                    response = await self._reply()
                    self._is_complete = True
                    await response(scope, receive, send)
            except Exception as error:  # raised below, because the group wraps it
                self._is_complete = True
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if not self._is_complete:
            raise ClientDisconnect

    async def _end_without_client(self, receive: Receive, group: TaskGroup) -> None:
        """Wait until the client closes the connection, and end the drawing then."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_complete:  # the end of a response is announced in the same way
            group.cancel_scope.cancel()

    async def _reply(self) -> Response:
        items: list[bytes] = []
        picture: Picture | None = None
        try:
            async with aclosing(self._draw()) as events:
                async for event in events:
                    if isinstance(event, Drawn):
                        picture = event.picture
                        items.append(await _in_thread(reply_item, picture, self._options))
        except DrawError as error:
            return error_response(error)
        assert picture is not None  # the studio draws at least one, or raises an error
        body = await _in_thread(reply_body, items, picture, self._options)
        return Response(body, media_type="application/json")

    async def _stream(self, group: TaskGroup, scope: Scope, receive: Receive, send: Send) -> None:
        stream = EventStream(send)
        try:
            await self._write_events(stream, group)
        except OSError:  # the client does not read
            raise
        except Exception as error:
            if not stream.is_started:
                if not isinstance(error, DrawError):
                    raise
                self._is_complete = True
                await error_response(error)(scope, receive, send)
                return
            await stream.write(data_line(answer_for(error).record))
            await self._end(stream)
            if not isinstance(error, DrawError):
                raise
        else:
            await self._end(stream)

    async def _write_events(self, stream: EventStream, group: TaskGroup) -> None:
        writer = StreamLines(self._kind, self._options)
        async with aclosing(self._draw()) as events:
            async for event in events:
                if not stream.is_started:  # the request is accepted: its status can be sent
                    await stream.start()
                    group.start_soon(_keep_alive, stream, group)
                if writer.encodes(event):
                    lines = await _in_thread(writer.lines, event)
                else:
                    lines = writer.lines(event)
                if lines:
                    await stream.write(lines)

    async def _end(self, stream: EventStream) -> None:
        self._is_complete = True
        await stream.end()


async def _keep_alive(stream: EventStream, group: TaskGroup) -> None:
    """Send comments in a silent stream, and end the drawing if the client does not read them."""
    try:
        await stream.keep_alive()
    except OSError:
        group.cancel_scope.cancel()


_in_thread = anyio.to_thread.run_sync
