"""A small hub on 127.0.0.1 for the real client, with faults on demand."""

import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

_PIECE = 65_536


class Content:
    """The bytes of a file: its start, then zeros."""

    def __init__(self, start: bytes, size: int | None = None, sha256: str | None = None) -> None:
        self.start = start
        self.size = len(start) if size is None else size
        self.sha256 = sha256 or hashlib.sha256(self.read(0, self.size)).hexdigest()

    def read(self, begin: int, end: int) -> bytes:
        data = self.start[begin:end]
        return data + bytes(end - begin - len(data))


@dataclass
class FakeRepository:
    files: dict[str, Content]
    commit: str
    gated: bool = False
    private: bool = False
    branches: tuple[str, ...] = ("main",)
    small: frozenset[str] = frozenset()  # kept in git itself, not in LFS
    bare: bool = False  # lists have neither sizes nor digests


@dataclass
class Fault:
    """A fault of the next requests for a path.

    Attributes:
        path: Substring of the request's path.
        status: Status of the substituted response; 0 for the normal response.
        headers: Headers of the substituted response.
        body: Body of the substituted response.
        cut_after: Number of bytes after which the connection is closed.
        wrong_bytes: Whether wrong bytes are sent.
        seconds: Pause per 64 kB.
        rate: Limit of each connection in bytes per second; 0 for none.
        stall_after: Number of bytes after which nothing more is sent on the open connection; -1 for
            no response at all.
        times: Number of requests that fail.
        after: Number of requests that do not fail before them.
        method: HTTP method; empty for all.
        ignore_range: Whether all bytes are sent instead of the requested range.
        longer: Number of bytes that are sent after the requested range.
        coding: Coding of the response: "chunked", "until closed" (no length) or "gzip" (lists).
        etag: Replacement for the correct ETag.
    """

    path: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"trouble"
    cut_after: int | None = None
    wrong_bytes: bool = False
    seconds: float = 0.0
    rate: float = 0.0
    stall_after: int | None = None
    times: int = 1_000_000
    after: int = 0
    method: str = ""
    ignore_range: bool = False
    longer: int = 0
    coding: str = ""
    etag: str = ""


@dataclass
class Request:
    method: str
    path: str
    range: str
    token: str
    bytes_sent: int = 0


class LoopbackHub:
    """A server of repositories that records its requests.

    Attributes:
        cdn: Server of the files, to which the hub redirects; or ``None``.
        renamed: New repository names by old ones.
        max_downloads: Number of files or ranges that are sent at once; further ones are refused
            with status 503.
        most_downloads: Largest number of files or ranges that were sent at once.
    """

    TOKEN = "hf_let_me_in"

    def __init__(self, port: int = 0, prefix: str = "") -> None:
        """Start at a port (0: a free one), below a path."""
        self.cdn: LoopbackHub | None = None
        self.renamed: dict[str, str] = {}
        self.max_downloads = 1_000_000
        self.most_downloads = self.downloads = 0
        self.prefix = prefix
        self.repositories: dict[str, FakeRepository] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.closed = False
        self.stalled = threading.Event()  # set to end all pauses
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments: Any) -> None:
                self.hub = hub
                super().__init__(*arguments)

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.closed = True  # for persistent connections
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self.cdn is not None:
            self.cdn.close()

    def add_cdn(self) -> "LoopbackHub":
        """Redirect downloads to another server at another port."""
        self.cdn = LoopbackHub(prefix="/cdn")
        self.cdn.repositories = self.repositories
        return self.cdn

    def add(
        self, name: str, files: Mapping[str, bytes | Path | Content], **options: Any
    ) -> FakeRepository:
        contents = {}
        for path, data in files.items():
            raw = data.read_bytes() if isinstance(data, Path) else data
            contents[path] = raw if isinstance(raw, Content) else Content(raw)
        commit = hashlib.sha1(
            json.dumps([name, *(c.sha256 for c in contents.values())]).encode()
        ).hexdigest()
        self.repositories[name] = FakeRepository(contents, commit, **options)
        return self.repositories[name]

    def fail(self, path: str, **options: Any) -> None:
        self.faults.append(Fault(path, **options))

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.path in path and fault.method in ("", method):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    @property
    def bytes_sent(self) -> int:
        return sum(request.bytes_sent for request in self.requests)

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Return the environment of a process that uses this hub."""
        places = {"HF_HOME": str(home), "XDG_CACHE_HOME": str(home / "xdg")}
        return {"HF_ENDPOINT": self.url, **places, **_QUIET, **more}

    def use(self, monkeypatch: pytest.MonkeyPatch, home: Path, *, token: str = "") -> None:
        """Make huggingface_hub in this process, which has read its environment, use this hub."""
        from huggingface_hub import constants, file_download

        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        for module in (constants, file_download):  # huggingface_hub 0.36 has its own constant
            monkeypatch.setattr(
                module,
                "HUGGINGFACE_CO_URL_TEMPLATE",
                self.url + "/{repo_id}/resolve/{revision}/{filename}",
                raising=False,
            )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        if token:
            monkeypatch.setenv("HF_TOKEN", token)


_QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?$")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)$")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # tests close connections on purpose


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a response is written in two pieces
    hub: LoopbackHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        if self.hub.closed:
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        token = self.headers.get("Authorization", "")
        self.entry = Request(self.command, path, self.headers.get("Range", ""), token)
        with self.hub.lock:
            self.hub.requests.append(self.entry)
        self.fault = self.hub.fault_for(self.command, path) or Fault("")
        if self.fault.stall_after == -1:
            self.hub.stalled.wait(30)
            self.close_connection = True
        elif self.fault.status:
            self.say(self.fault.status, dict(self.fault.headers), self.fault.body)
        elif not path.startswith(self.hub.prefix):
            self.say(404, {}, b"nothing here")
        else:
            self.serve(path.removeprefix(self.hub.prefix))

    def serve(self, path: str) -> None:
        for old, new in self.hub.renamed.items():
            if f"/{old}/" in f"{path}/":
                place = self.hub.prefix + path.replace(old, new, 1)
                query = urlsplit(self.path).query
                self.say(307, {"Location": f"{place}?{query}" if query else place}, b"")
                return
        if match := _API.match(path):
            self.info(match[1], unquote(match[2] or "main"))
        elif match := _TREE.match(path):
            self.tree(match[1], unquote(match[2]))
        elif match := _RESOLVE.match(path):
            self.resolve(match[1], unquote(match[2]), unquote(match[3]))
        else:
            self.say(404, {}, b"nothing here")

    def find(self, name: str, revision: str) -> FakeRepository | None:
        repository = self.hub.repositories.get(name)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", self.hub.TOKEN):
            self.say(401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b"no")
            return None
        if repository is None or (repository.private and not token):
            self.say(404 if token else 401, {"X-Error-Code": "RepoNotFound"}, b"no such repository")
            return None
        if revision not in (*repository.branches, repository.commit):
            self.say(404, {"X-Error-Code": "RevisionNotFound"}, b"no such revision")
            return None
        return repository

    def entries(self, repository: FakeRepository) -> list[tuple[str, Content, str]]:
        found = []
        for path, content in repository.files.items():
            data = b"blob %d\0" % content.size
            if path in repository.small:
                data += content.read(0, content.size)
            found.append((path, content, hashlib.sha1(data).hexdigest()))
        return found

    def info(self, name: str, revision: str) -> None:
        if repository := self.find(name, revision):
            siblings = []
            for path, content, oid in self.entries(repository):
                entry: dict[str, Any] = {"rfilename": path}
                if not repository.bare:
                    entry |= {"size": content.size, "blobId": oid}
                if path not in repository.small and not repository.bare:
                    entry["lfs"] = {
                        "sha256": content.sha256,
                        "size": content.size,
                        "pointerSize": 134,
                    }
                siblings.append(entry)
            self.json(
                {
                    "id": name,
                    "modelId": name,
                    "sha": repository.commit,
                    "gated": "auto" if repository.gated else False,
                    "private": repository.private,
                    "tags": [],
                    "siblings": siblings,
                }
            )

    def tree(self, name: str, revision: str) -> None:
        """Send the list of files that GPUStack's workers request."""
        if repository := self.find(name, revision):
            self.json(
                [
                    {"type": "file", "path": path, "size": content.size, "oid": oid}
                    for path, content, oid in self.entries(repository)
                ]
            )

    def resolve(self, name: str, revision: str, path: str) -> None:
        repository = self.find(name, revision)
        if repository is None:
            return
        is_cdn = self.hub.prefix == "/cdn"
        if repository.gated and not self.headers.get("Authorization") and not is_cdn:
            self.say(401, {"X-Error-Code": "GatedRepo"}, b"gated")
            return
        if path not in repository.files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit}
            self.say(404, headers, b"no such file")
            return
        content = repository.files[path]
        oids = {entry: oid for entry, _, oid in self.entries(repository)}
        etag = oids[path] if path in repository.small else content.sha256
        headers = {"ETag": self.fault.etag or f'"{etag}"', "X-Repo-Commit": repository.commit}
        if path not in repository.small and not self.fault.etag:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(content.size)}
        if self.hub.cdn is not None:
            place = f"{self.hub.cdn.url}/{name}/resolve/{revision}/{path}?signature=1"
            self.say(302, {**headers, "Location": place}, b"")
            return
        if is_cdn:
            headers = {"ETag": '"0123456789abcdef0123456789abcdef-7"'}
        headers["Accept-Ranges"] = "bytes"
        begin, end, status = 0, content.size, 200
        if self.entry.range and not self.fault.ignore_range:
            first, last = self.entry.range.removeprefix("bytes=").split("-")
            stop = int(last) + 1 + self.fault.longer if last else content.size
            begin, end = int(first), min(stop, content.size)
            if begin >= content.size:
                self.say(416, {"Content-Range": f"bytes */{content.size}"}, b"")
                return
            status = 206
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{content.size}"
        with self.hub.lock:
            self.hub.downloads += 1
            is_one_too_many = self.hub.downloads > self.hub.max_downloads
            if not is_one_too_many:
                self.hub.most_downloads = max(self.hub.most_downloads, self.hub.downloads)
        try:
            if is_one_too_many:
                self.say(503, {}, b"too many")
            else:
                self.send(status, headers, content, begin, end)
        finally:
            with self.hub.lock:
                self.hub.downloads -= 1

    def send(
        self, status: int, headers: dict[str, str], content: Content, begin: int, end: int
    ) -> None:
        coding = self.fault.coding
        if coding == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        elif coding == "until closed":
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(end - begin)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = end
        if self.fault.cut_after is not None:
            stop = min(end, begin + self.fault.cut_after)
        started = time.monotonic()
        try:
            for place in range(begin, stop, _PIECE):
                if self.fault.rate:
                    due = started + (place - begin) / self.fault.rate
                    time.sleep(max(0.0, due - time.monotonic()))
                self.write(content.read(place, min(place + _PIECE, stop)), place - begin)
            if coding == "chunked" and stop == end:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            stop = -1
        if stop < end or coding == "until closed":
            self.close_connection = True
            self.connection.close()

    def write(self, data: bytes, place: int) -> None:
        fault = self.fault
        if fault.stall_after is not None and place >= fault.stall_after:
            self.hub.stalled.wait(30)
        if self.hub.closed:
            raise OSError
        if fault.wrong_bytes:
            data = bytes(byte ^ 1 for byte in data)
        if fault.coding == "chunked":
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.wfile.write(data)
        self.entry.bytes_sent += len(data)
        if fault.seconds:
            time.sleep(fault.seconds)

    def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: object) -> None:
        headers, data = {"Content-Type": "application/json"}, json.dumps(value).encode()
        if self.fault.coding == "gzip":
            headers, data = {**headers, "Content-Encoding": "gzip"}, gzip.compress(data)
        self.say(200, headers, data)
