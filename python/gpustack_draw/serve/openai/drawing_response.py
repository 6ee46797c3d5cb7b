"""The response to a request for pictures, which are drawn while the client waits.

The drawing ends when the client closes the connection, whether the response is a stream or not.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial

import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gpustack_draw import DrawError, Picture
from gpustack_draw.serve.http.errors import answer_for, error_response
from gpustack_draw.serve.http.while_connected import while_connected
from gpustack_draw.serve.openai.event_stream import EventStream
from gpustack_draw.serve.openai.events import data_line
from gpustack_draw.serve.openai.reply import reply_body, reply_item, with_items
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw, and respond.

        Raises:
            ClientDisconnect: The client closed the connection before the end of the response.
            Exception: An error that nobody expects.
        """
        if self._options.stream:
            await self._stream(scope, receive, send)
        else:
            response = await while_connected(receive, self._reply)
            await response(scope, receive, send)

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
            return error_response(error) if picture is None else _unfinished(error, items)
        assert picture is not None  # the studio draws at least one, or raises an error
        body = reply_body(items, picture, self._options)
        return Response(body, media_type="application/json")

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = EventStream(send)
        try:
            await while_connected(receive, partial(self._write_events, stream), stream.keep_alive)
        except (OSError, ClientDisconnect):
            raise
        except Exception as error:
            is_expected = isinstance(error, DrawError)
            if stream.is_started:
                await stream.write(data_line(answer_for(error).record))
                await stream.end()
            elif is_expected:
                await error_response(error)(scope, receive, send)
            if not is_expected:
                raise
        else:
            await stream.end()

    async def _write_events(self, stream: EventStream) -> None:
        writer = StreamLines(self._kind, self._options)
        async with aclosing(self._draw()) as events:
            async for event in events:
                if not stream.is_started:  # the request is accepted: its status can be sent
                    await stream.start()
                if writer.encodes(event):
                    lines = await _in_thread(writer.lines, event)
                else:
                    lines = writer.lines(event)
                if lines:
                    await stream.write(lines)


def _unfinished(error: DrawError, items: Sequence[bytes]) -> Response:
    """Return the response to a request that failed after some of its pictures were drawn."""
    answer = answer_for(error)
    body = with_items(answer.record, items)
    return Response(body, answer.status, answer.headers, "application/json")


_in_thread = anyio.to_thread.run_sync
