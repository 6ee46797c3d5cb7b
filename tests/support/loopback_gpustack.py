"""A small GPUStack server on 127.0.0.1 that imitates 0.7.1 or 2.3.0, with faults on demand.

Its bodies, statuses and framing were recorded from servers of both releases, with llama-box behind
0.7.1 and vLLM-Omni behind 2.3.0.
"""

import base64
import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import own_backend
from fake_models import FakeModel, Fault, Request, png
from form_data import FormPart, edit_body, edit_problem, parse_form

OLD, NEW = "0.7.1", "2.3.0"


class LoopbackGpustack:
    """A server that keeps the requests it received.

    Attributes:
        release: Version that it reports.
        models: Its models by name.
        requests: The requests received.
        requires_key: Whether requests without an API key are refused.
        steps: Maximum number of steps that a stream reports.
        ignores_stream: Whether the backend cannot stream.
        has_edits: Whether the release has the route for requests with pictures.
        has_gateway: Whether requests pass the gateway of 2.x, which passes on forms unchanged.
        is_own: Whether it is a server of ``gpustack-draw serve``, without GPUStack.
        in_flight: Number of pictures being drawn.
        max_in_flight: Maximum of ``in_flight`` so far.
        capacity: Pictures drawn in parallel; further requests are refused.
        disconnected: Number of drawings that the client has cancelled.
        states: Successive instances of a deployed model.
        clusters: Clusters of 2.x.
        backends: Inference backends of 2.x; ``None`` for a release without them.
        gpus: GPUs of 2.x.
        log: Log of every instance.
    """

    ADMIN = "gpustack_0123456789abcdef_admin"
    USER = "gpustack_0123456789abcdef_user"

    def __init__(self, release: str = OLD, *, context: ssl.SSLContext | None = None) -> None:
        self.release = release
        self.models: dict[str, FakeModel] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self.requires_key = release == NEW
        self.steps = 4
        self.ignores_stream = False
        self.has_edits = True
        self.has_gateway = False
        self.is_own = False
        self.in_flight = self.max_in_flight = 0
        self.capacity = 1000
        self.disconnected = 0
        self.states: list[list[dict[str, Any]]] = []
        self.clusters = [{"id": 1, "is_default": False}, {"id": 7, "is_default": True}]
        self.backends: list[dict[str, Any]] | None = [
            {"backend_name": "vLLM", "is_built_in": True, "enabled": True, "version_configs": {}}
        ]
        self.gpus: list[dict[str, Any]] = []
        self.log = b""
        server = self

        class Handler(_Handler):
            def __init__(self, *arguments: Any) -> None:
                self.server_side = server
                super().__init__(*arguments)

        self._server = _Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def version(self) -> dict[str, str]:
        """The response to a request for the version."""
        if self.is_own:
            return {"version": self.release, "product": "gpustack-draw"}
        return {"version": f"v{self.release}", "git_commit": "a6da07d"}

    @property
    def uses_llama_box(self) -> bool:
        return self.release.startswith("0.") and not self.is_own

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def die(self) -> None:
        """Stop like a killed process, with all connections closed."""
        self.close()
        self._server.end_connections()

    def add(self, name: str, **values: Any) -> FakeModel:
        model = FakeModel(name, number=len(self.models) + 1, **values)
        self.models[name] = model
        return model

    def fail(self, path: str, **values: Any) -> None:
        self.faults.append(Fault(path, **values))

    def fault_for(self, path: str) -> Fault:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.path in path:
                    fault.times -= 1
                    return fault
        return Fault("")

    def drawings(self) -> list[dict[str, Any]]:
        """Return the bodies of the requests for pictures."""
        return [each.body for each in self.requests if each.path.endswith("/images/generations")]

    def edits(self) -> list[Request]:
        """Return the requests with pictures."""
        return [each for each in self.requests if each.path.endswith("/images/edits")]

    def paths(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_side: LoopbackGpustack

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        server = self.server_side
        parts = urlsplit(self.path)
        self.fault = server.fault_for(parts.path)
        body, files = (None, []) if self.fault.unread else self.read_body()
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.categories = [
            value
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if name == "categories"
        ]
        entry = Request(self.command, parts.path, query, dict(self.headers.items()), body, files)
        with server.lock:
            server.requests.append(entry)
        self.close_connection = self.fault.unread
        if self.fault.raw:
            self.wfile.write(self.fault.raw)
            self.close_connection = True
        elif self.fault.status:
            time.sleep(self.fault.seconds)
            self.send(
                self.fault.status, self.fault.body, self.fault.content_type, self.fault.headers
            )
        elif parts.path == "/version":
            self.json(server.version)
        elif self.authorize(parts.path):
            self.route(parts.path, query, body, files)

    def read_body(self) -> tuple[dict[str, Any] | None, list[FormPart]]:
        """Return the object, or the values and the files of a form."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content_type = self.headers.get("Content-Type", "")
        if not content_type.startswith("multipart/"):
            return (json.loads(data) if data else None), []
        parts = parse_form(content_type, data)
        values = {part.name: part.content.decode() for part in parts if not part.file_name}
        return values, [part for part in parts if part.file_name]

    def authorize(self, path: str) -> bool:
        """Return True if the key permits the request; otherwise send the release's refusal."""
        server = self.server_side
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key not in {server.ADMIN, server.USER} and (server.requires_key or key):
            message = "Invalid authentication credentials"
            self.json({"code": 401, "reason": "Unauthorized", "message": message}, 401)
            return False
        is_management = path.startswith("/v1/model" if server.uses_llama_box else "/v2/")
        if is_management and key == server.USER:
            message = (
                "No permission to access"
                if server.uses_llama_box
                else "API key does not have permission to access management features"
            )
            self.json({"code": 403, "reason": "Forbidden", "message": message}, 403)
            return False
        return True

    def route(self, path: str, query: dict[str, str], body: Any, files: list[FormPart]) -> None:
        server = self.server_side
        root = "/v1" if server.uses_llama_box else "/v2"
        if path in {"/v1-openai/models", "/v1/models"} and not (
            server.uses_llama_box and path[3] == "/"
        ):
            self.list_running(query)
        elif path.endswith("/images/generations") and self.command == "POST":
            self.generate(body)
        elif path.endswith("/images/edits") and self.command == "POST" and server.has_edits:
            self.edit(body, files)
        elif path == f"{root}/models" and self.command == "POST":
            self.create(body)
        elif path == f"{root}/models":
            items = [self.managed(model) for model in server.models.values()]
            self.page([item for item in items if query.get("search", "") in item["name"]], query)
        elif path == f"{root}/model-instances":
            self.instances(query)
        elif re.fullmatch(f"{root}/model-instances/1/logs", path) and server.log:
            lines = server.log.splitlines(keepends=True)[-int(query["tail"]) :]
            self.send(200, b"".join(lines), "application/octet-stream", {})
        elif path == "/v2/clusters" and not server.uses_llama_box:
            self.page(server.clusters, query)
        elif path == "/v2/inference-backends" and server.backends is not None:
            self.page(server.backends, query)
        elif path == "/v2/gpu-devices":
            cluster = int(query.get("cluster_id", 0))
            self.page([gpu for gpu in server.gpus if gpu["cluster_id"] == cluster], query)
        else:
            self.json({"detail": "Not Found"}, 404)

    # --- lists ------------------------------------------------------------------------------------

    def list_running(self, query: dict[str, str]) -> None:
        data = []
        for model in self.server_side.models.values():
            categories = self.categories
            listed = set(categories) & set(model.categories) or (
                "" in categories and not model.categories
            )
            if self.hides(model) or not model.running or (categories and not listed):
                continue
            entry: dict[str, Any] = {"id": model.name, "object": "model", "created": 1}
            entry |= {"owned_by": "gpustack", "meta": None}
            if query.get("with_meta") == "true":
                entry["meta"] = dict(model.meta)
            data.append(entry)
        self.json({"data": data, "object": "list"})

    def hides(self, model: FakeModel) -> bool:
        return model.hidden and self.server_side.ADMIN not in self.headers.get("Authorization", "")

    def page(self, items: list[dict[str, Any]], query: dict[str, str]) -> None:
        page, size = int(query.get("page", 1)), int(query.get("perPage", 100))
        pages = -(-len(items) // size)
        pagination = {"page": page, "perPage": size, "total": len(items), "totalPage": pages}
        self.json({"items": items[(page - 1) * size : page * size], "pagination": pagination})

    def managed(self, model: FakeModel) -> dict[str, Any]:
        ready = 1 if model.running else 0
        item = {"id": model.number, "name": model.name, "replicas": 1, "ready_replicas": ready}
        return {**item, "categories": list(model.categories), **model.more}

    def create(self, body: dict[str, Any]) -> None:
        server = self.server_side
        if body["name"] in server.models:
            message = f"Model '{body['name']}' already exists."
            self.json({"code": 409, "reason": "AlreadyExists", "message": message}, 409)
            return
        model = server.add(body["name"], running=False, more=body, categories=body["categories"])
        self.json(self.managed(model))

    def instances(self, query: dict[str, str]) -> None:
        server = self.server_side
        number = int(query.get("model_id", 0))
        model = next(each for each in server.models.values() if each.number == number)
        if query.get("watch") != "true":
            self.page(model.instances, query)
            return
        self.begin(200, "text/event-stream", {})
        states = server.states or [model.instances]
        event_type = 1  # created
        for instances in states:
            for instance in instances:
                event = {"type": event_type, "data": {"id": 1, "model_id": number, **instance}}
                self.chunk(json.dumps(event).encode() + b"\n\n")
                if instance.get("state") == "running":
                    model.running = True
            event_type = 2  # updated
        while self.fault.seconds:  # the heartbeat, every 15 seconds
            time.sleep(self.fault.seconds)
            self.chunk(b"\n")
        self.chunk(b"")

    # --- pictures ---------------------------------------------------------------------------------

    def generate(self, body: dict[str, Any]) -> None:
        server = self.server_side
        model = server.models.get(body["model"])
        if model is None or self.hides(model):
            self.error(404, "Model not found", "NotFound")
            return
        if not model.running:
            self.error(503, "No running instances available", "ServiceUnavailable")
            return
        with server.lock:
            is_full = server.in_flight >= server.capacity
            if not is_full:
                server.in_flight += 1
                server.max_in_flight = max(server.max_in_flight, server.in_flight)
        if is_full:
            self.error(429, "Too many requests", "TooManyRequests")
            return
        try:
            self.draw(body)
        except OSError:
            server.disconnected += 1
            self.close_connection = True
        finally:
            with server.lock:
                server.in_flight -= 1

    def edit(self, values: dict[str, str], files: list[FormPart]) -> None:
        server = self.server_side
        if not server.has_gateway:
            files = list({part.name: part for part in files}.values())  # the last of each name
        problem = edit_problem(values, files, is_llama_box=server.uses_llama_box)
        if problem:
            self.error(400, problem, "Bad Request")
        else:
            self.generate(edit_body(values))

    def draw(self, body: dict[str, Any]) -> None:
        server = self.server_side
        width, height = map(int, body["size"].split("x"))
        steps = body.get("sample_steps", 10)
        text = (
            f"{body['prompt']}\nSteps: {steps}, CFG scale: {body.get('cfg_scale', 4.5):f},"
            f" Guidance: 3.500000, Seed: {body['seed'] % 2**32}, Size: {width}x{height},"
            f" Model: x.gguf, RNG: cuda, Sampler: {body.get('sampler', 'euler')} karras,"
            " Version: llama-box"
        )
        # Only llama-box stores the parameters in the picture.
        text = text if server.uses_llama_box else ""
        scale = int(body.get("hires", 1))
        picture = self.fault.picture or png(width * scale, height * scale, text=text)
        if "gpustack_draw" in server.models[body["model"]].meta:
            self.draw_own(body, picture)
        elif not server.uses_llama_box or not body.get("stream") or server.ignores_stream:
            self.draw_whole(body, picture)
        else:
            self.draw_stream(body, picture, steps)

    def draw_own(self, body: dict[str, Any], picture: bytes) -> None:
        if not body.get("stream"):
            self.json(own_backend.reply(body, picture))
            return
        self.begin(200, "text/event-stream", {})
        for number, line in enumerate(self.fault.lines or own_backend.events(body, picture)):
            if self.fault.cut is not None and number >= self.fault.cut:
                self.cut()
                return
            time.sleep(self.fault.seconds)
            self.chunk(line + b"\n\n")
        self.chunk(b"")

    def draw_whole(self, body: dict[str, Any], picture: bytes) -> None:
        server = self.server_side
        time.sleep(self.fault.seconds)
        if self.fault.until is not None:
            self.fault.until.wait(30)
        answer: dict[str, Any] = {"created": 1, "data": [{"b64_json": _text(picture)}]}
        if not server.uses_llama_box:
            answer["data"][0] |= {"url": None, "revised_prompt": None}
            answer |= {"output_format": "png", "size": body["size"]}
        data = json.dumps(answer).encode()
        if server.ignores_stream and body.get("stream"):
            # 0.7.1 sends the headers without the body.
            self.begin(200, "application/json", {"Content-Length": str(len(data))})
            self.cut()
        elif self.fault.cut is not None:
            self.begin(200, "application/json", {"Content-Length": str(len(data))})
            self.wfile.write(data[: self.fault.cut])
            self.cut()
        else:
            self.send(200, data, "application/json", {})

    def draw_stream(self, body: dict[str, Any], picture: bytes, steps: int) -> None:
        server = self.server_side
        self.begin(200, "text/event-stream", {})
        if self.fault.lines is not None:
            for line in self.fault.lines:
                self.chunk(line + b"\n\n")
            self.chunk(b"")
            return
        total = min(steps, server.steps)
        for step in range(1, total + 1):
            if self.fault.cut is not None and step > self.fault.cut:
                self.cut()
                return
            time.sleep(self.fault.seconds)
            last = step == total
            item = {"index": 0, "object": "image", "progressed_steps": step}
            item |= {"progress_steps": total, "progress": 100 * step / total}
            item |= {"finish_reason": "stop" if last else None}
            event = {"created": 1, "model": body["model"], "object": "list", "usage": None}
            event["data"] = [{**item, "b64_json": _text(picture) if last else ""}]
            self.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.chunk(b"")

    # --- HTTP -------------------------------------------------------------------------------------

    def begin(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        size = self.fault.piece or len(data) or 1
        for place in range(0, max(len(data), 1), size):
            piece = data[place : place + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def json(self, value: object, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), "application/json", {})

    def error(self, status: int, message: str, error_type: str) -> None:
        self.json({"error": {"message": message, "code": status, "type": error_type}}, status)

    def send(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> None:
        self.begin(status, content_type, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()
