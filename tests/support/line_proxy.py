"""A proxy that changes requests and streams as the server of GPUStack 2.3 does.

Without its gateway, it cuts a stream into lines and sends a blank line after each, replaces the key
by that of its worker, asks for the usage of a stream, and keeps the last of several form fields of
one name (gpustack/server/worker_request.py, gpustack/routes/openai.py).
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from form_data import parse_form

WORKER_KEY = "key-of-the-worker"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""

    def do_GET(self) -> None:
        self._pass_on({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        content_type = self.headers["content-type"]
        if content_type.startswith("multipart/"):
            parts = {part.name: part for part in parse_form(content_type, body)}
            files = {
                part.name: (part.file_name or None, part.content, part.content_type or None)
                for part in parts.values()
            }
            self._pass_on({"files": files})
            return
        values = json.loads(body)
        if values.get("stream") and "stream_options" not in values:
            values["stream_options"] = {"include_usage": True}
        self._pass_on({"json": values})

    def _pass_on(self, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {WORKER_KEY}", "Connection": "close"}
        url = self.upstream + self.path
        with httpx.stream(self.command, url, headers=headers, timeout=120, **body) as response:
            is_stream = "text/event-stream" in response.headers["content-type"]
            content = None if is_stream else response.read()
            self.send_response(response.status_code)
            self.send_header("Content-Type", response.headers["content-type"])
            if content is not None:
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in response.iter_lines():
                if line.strip():
                    self._send_chunk(line.strip().encode() + b"\n\n")
            self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@contextmanager
def line_proxy(upstream: str) -> Iterator[str]:
    """Run a proxy in front of a server.

    Args:
        upstream: Address of the server.

    Yields:
        Address of the proxy.
    """
    handler = type("Handler", (_Handler,), {"upstream": upstream})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(10)
