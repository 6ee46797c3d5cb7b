"""Drawings that go on when the page that asked for them is reloaded or closed."""

import asyncio
import re
from collections.abc import AsyncIterator

from starlette.types import ASGIApp, Message, Scope

from gpustack_draw.serve.log import LOGGER

MAX_FINISHED = 8  # finished drawings whose results a reloaded page can still get

# Events that the next one of their kind replaces, for clients that come later.
_TRANSIENT = re.compile(rb'"type"\s*:\s*"\w+\.(partial_image|progress|queued)"')
_SEARCHED = 400  # bytes; the type comes before the picture
_END_OF_EVENT = b"\n\n"


class Drawing:
    """A request to the images API that does not end with its client.

    Clients follow its events from any time on: they get all results, and the latest of the others.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        """Start the request.

        Args:
            app: The application that answers it.
            scope: The request, as ASGI describes it.
            body: The body of the request.
        """
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_finished = False
        self._events: dict[bytes, tuple[int, bytes]] = {}
        self._count = 0
        self._rest = b""
        self._body: bytes | None = body
        self._error: Exception | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run(app, scope))

    async def started(self) -> None:
        """Wait for the status and the headers of the answer.

        Raises:
            Exception: That of the application, if it fails before.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.status or self.is_finished)
        if self._error is not None and not self.status:
            raise self._error

    async def follow(self) -> AsyncIterator[bytes]:
        """Yield the body of the answer, until it ends."""
        last = 0
        while True:
            for number, event in sorted(self._events.values()):
                if number > last:
                    last = number
                    yield event
            if self.is_finished and last == self._count:
                return
            await self._wait_for_more(last)

    async def cancel(self) -> None:
        """End the drawing, and wait until the engine is free."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._finish()  # a task that had not begun has run no code of its own

    async def _wait_for_more(self, last: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._count > last or self.is_finished)

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            self._error = error
            if self.status:  # the client has its answer, whose end is missing
                LOGGER.exception("a drawing of the page failed")
        finally:
            await self._finish()

    async def _finish(self) -> None:
        async with self._changed:
            self.is_finished = True
            self._changed.notify_all()

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:  # the client of a drawing never disconnects
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        async with self._changed:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {
                    name.decode("latin-1"): value.decode("latin-1")
                    for name, value in message["headers"]
                }
            else:
                self._add(message.get("body", b""), is_last=not message.get("more_body"))
            self._changed.notify_all()

    def _add(self, data: bytes, *, is_last: bool) -> None:
        *events, self._rest = (self._rest + data).split(_END_OF_EVENT)
        for event in events:
            self._store(event + _END_OF_EVENT)
        if is_last and self._rest:
            self._store(self._rest)

    def _store(self, event: bytes) -> None:
        self._count += 1
        kind = _TRANSIENT.search(event, 0, _SEARCHED)
        is_comment = event.startswith(b":")
        key = b":" if is_comment else kind[1] if kind else b"%d" % self._count
        self._events[key] = self._count, event


class Drawings:
    """The drawings of the pages, by the ids that the pages chose."""

    def __init__(self) -> None:
        """Begin without drawings."""
        self._drawings: dict[str, Drawing] = {}

    def start(self, drawing_id: str, app: ASGIApp, scope: Scope, body: bytes) -> Drawing:
        """Start a drawing under a free id, and forget the oldest of many that have finished."""
        drawing = self._drawings[drawing_id] = Drawing(app, scope, body)
        finished = [name for name, each in self._drawings.items() if each.is_finished]
        for name in finished[:-MAX_FINISHED]:
            del self._drawings[name]
        return drawing

    def find(self, drawing_id: str) -> Drawing | None:
        """Return a drawing, or ``None`` if there is no such one (any more)."""
        return self._drawings.get(drawing_id)
