"""A server on 127.0.0.1 that sends any bytes, valid HTTP or not."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

Answer = bytes | Iterable[bytes]


class RawServer:
    """A server whose responses come from a function; it closes each connection after one.

    Attributes:
        url: The server's address.
        requests: Request lines and headers of the requests.
    """

    def __init__(
        self, answer: Callable[[bytes], Answer], *, context: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "RawServer":  # noqa: PYI034 - Self is younger than Python 3.10
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._exchange(connection)

    def _exchange(self, connection: socket.socket) -> None:
        with connection:
            stream = connection.makefile("rb")
            head = b""
            while (line := stream.readline()) not in {b"", b"\r\n"}:
                head += line
            if not head:
                return
            # Closing a connection with unread data would reset it and lose the response.
            if length := re.search(rb"(?i)content-length: *(\d+)", head):
                stream.read(int(length[1]))
            self.requests.append(head)
            answer = self._answer(head)
            for part in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(part)


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return an HTTP response; header values are not checked or escaped."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def drip(head: bytes, repeated: bytes, seconds: float = 0.02) -> Iterator[bytes]:
    """Yield ``head``, then ``repeated`` without end, with a pause after each."""
    yield head
    while True:
        yield repeated
        time.sleep(seconds)
