"""A stream of events as an HTTP response that is sent piece by piece."""

from contextlib import suppress

import anyio
from starlette.types import Send

from gpustack_draw.serve.openai.events import comment

# GPUStack ends a stream that is silent for a minute.
SECONDS_OF_SILENCE = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the events until the end
]


class EventStream:
    """A response of type ``text/event-stream``; several tasks may write to it."""

    def __init__(self, send: Send) -> None:
        """Prepare a stream; nothing is sent yet.

        Args:
            send: ASGI's function that sends a message.
        """
        self._started = anyio.Event()
        self._send = send
        self._lock = anyio.Lock()
        self._last = 0.0

    @property
    def is_started(self) -> bool:
        """True once the status was sent, or is being sent."""
        return self._started.is_set()

    async def start(self) -> None:
        """Send the status and the headers."""
        self._started.set()
        self._last = anyio.current_time()
        headers = list(_HEADERS)  # middleware adds some
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, lines: bytes) -> None:
        """Send lines."""
        async with self._lock:
            await self._send({"type": "http.response.body", "body": lines, "more_body": True})
            self._last = anyio.current_time()

    async def keep_alive(self) -> None:
        """Send a comment whenever nothing else was sent for some time.

        Returns once the client does not read them.
        """
        await self._started.wait()
        with suppress(OSError):
            while True:
                pause = self._last + SECONDS_OF_SILENCE - anyio.current_time()
                if pause > 0:
                    await anyio.sleep(pause)
                else:
                    await self.write(comment("waiting"))

    async def end(self) -> None:
        """End the response."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
