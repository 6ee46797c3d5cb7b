"""The server's process: binds, serves, and ends."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio.to_thread
import uvicorn

from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.serve.app import create_app
from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.protocol import UVICORN_OPTIONS
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.options import ServeOptions
from gpustack_draw.serve.studio import LoadState, Studio

# Together less than the 10 s after which Docker and GPUStack kill a container.
_SECONDS_TO_DRAW = 6.0
_SECONDS_TO_ANSWER = 2
_BACKLOG = 2048
_THREADS = 4


def run(options: ServeOptions, announce: Callable[[str], None]) -> int:
    """Serve until a signal ends the server.

    Args:
        options: The options.
        announce: Called with the address once the port is open.

    Returns:
        The exit status: 0 after SIGTERM, 130 after Ctrl-C.

    Raises:
        DrawError: A model cannot be used or loaded, or the port is not free.
    """
    _set_up_logging(options)
    studio = Studio(options)
    studio.check_models()
    with _bound_socket(options.host, options.port) as listener:
        return asyncio.run(_Server(options, studio, listener).run(announce))


class _Server:
    """Runs uvicorn until the first signal, and then gives the drawing that runs some seconds."""

    def __init__(self, options: ServeOptions, studio: Studio, listener: socket.socket) -> None:
        self._studio = studio
        self._listener = listener
        config = uvicorn.Config(
            create_app(Context(options, studio)),
            **UVICORN_OPTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_ANSWER,
        )
        self._uvicorn = _Uvicorn(config)
        self._signal = 0
        self._stopped = asyncio.Event()

    async def run(self, announce: Callable[[str], None]) -> int:
        # Parsing, decoding and encoding: more would take memory, not time.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with self._studio as studio:
            with _signals_to(self._stop):
                serving = asyncio.create_task(self._uvicorn.serve([self._listener]))
                loading = asyncio.create_task(studio.ready())
                stopping = asyncio.create_task(self._stopped.wait())
                while not self._uvicorn.started and not serving.done():
                    await asyncio.sleep(0.01)
                announce(_address_of(self._listener))
                await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                failure = _log_load_state(studio.load_state())
                if failure is None:
                    await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
                is_terminated = self._signal == signal.SIGTERM
                await studio.close(_SECONDS_TO_DRAW if is_terminated else 0)
                self._uvicorn.should_exit = True
                await serving
                loading.cancel()
                stopping.cancel()
        if failure is not None:
            raise failure
        return 130 if self._signal == signal.SIGINT else 0

    def _stop(self, number: int) -> None:
        if self._signal:
            self._studio.interrupt()
            self._uvicorn.force_exit = True
        self._signal = self._signal or number
        self._stopped.set()


class _Uvicorn(uvicorn.Server):
    """A server that leaves the signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _signals_to(stop: Callable[[int], None]) -> Iterator[None]:
    """Call a function in the event loop for SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()

    def handle(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop, number)

    before: dict[int, Any] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_load_state(state: LoadState) -> BaseException | None:
    """Log that the server is ready; return the error if the first model could not be loaded."""
    if state.name == "ready":
        LOGGER.info("ready")
    return state.error


def _bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises:
        UsageError: The host is unknown.
        DrawError: The port is not free.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"{quoted(host)} is not an address of this machine",
            hint=phrase("for example {host=0.0.0.0} for all, or {host=127.0.0.1} for this machine"),
            argument="host",
        ) from None
    family, kind, protocol, _name, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # where it would allow two servers on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _bind_error(host, port, error) from error
    return listener


def _bind_error(host: str, port: int, error: OSError) -> DrawError:
    reason = (error.strerror or str(error)).lower()
    return DrawError(
        f"port {port} of {quoted(host)} cannot be opened: {reason}",
        hint=phrase("choose another with {port}; {port=0} takes a free one"),
        argument="port",
    )


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _set_up_logging(options: ServeOptions) -> None:
    """Log to standard error in the form of the command's messages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("gpustack-draw: %(message)s"))
    level = logging.ERROR if options.quiet else logging.DEBUG if options.debug else logging.INFO
    for name in ("gpustack_draw.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(max(level, logging.WARNING))
