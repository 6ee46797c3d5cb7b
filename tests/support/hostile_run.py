"""Send hostile requests to a server in a process of its own, and check everything it does."""

import http.client
import json
import os
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hostile_requests import HostileRequest
from opened_files import OpenedFiles, watched
from served import ServedProcess, served

import gpustack_draw
from gpustack_draw.speed.measurements import speed_file

SECRET = b"canary-7f3a"
MAX_SECONDS = 60.0  # for one answer
# Folders that the server reads: its own code, the interpreter, the system's state.
_OWN_FOLDERS = ("/proc/", "/sys/", "/dev/null", "/dev/urandom", sys.prefix, sys.base_prefix)
_OWN_FOLDERS += (str(Path(gpustack_draw.__file__).parents[1]), str(Path(__file__).parent))
# Where it keeps the speeds of this machine.
_OWN_FOLDERS += (str(speed_file().parent),)
_SCRIPT = Path(__file__).parent / "audited_server.py"


@dataclass
class Findings:
    """All that was wrong.

    Attributes:
        count: Number of requests.
        statuses: Number of answers by status; 0 for none.
        problems: A text for each.
        slowest_health: Longest time of an answer of ``/health`` in seconds.
    """

    count: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    slowest_health: float = 0.0


class HostileRun:
    """A server under attack.

    Attributes:
        server: The server.
        canary: A file that nobody may open, in a folder that nobody may list.
        findings: All that was wrong so far.
    """

    def __init__(
        self, server: ServedProcess, canary: Path, opened: OpenedFiles, record: Path
    ) -> None:
        self.server = server
        self.canary = canary
        self.findings = Findings()
        self._opened = opened
        self._record = record
        self._recorded = record.stat().st_size
        address = urlsplit(server.url)
        assert address.hostname is not None
        assert address.port is not None
        self.address = (address.hostname, address.port)

    def send(self, request: HostileRequest) -> None:
        """Send a request, and check its answer."""
        findings = self.findings
        findings.count += 1
        began = time.monotonic()
        received = self.exchange(request.data)
        seconds = time.monotonic() - began
        status, problem = _read_answer(request, received)
        findings.statuses[status] += 1
        if problem:
            findings.problems.append(f"{request.name}: {problem}")
        if seconds > MAX_SECONDS:
            findings.problems.append(f"{request.name}: answered after {seconds:.1f} s")
        if SECRET in received:
            findings.problems.append(f"{request.name}: the answer contains the canary")

    def exchange(self, data: bytes) -> bytes:
        """Send bytes, and return all that is received until the connection ends."""
        received = b""
        with socket.create_connection(self.address, timeout=MAX_SECONDS + 30) as connection:
            try:
                connection.sendall(data)
                while piece := connection.recv(1 << 20):
                    received += piece
            except (ConnectionError, TimeoutError):
                pass
        return received

    def drip(self, start: bytes, max_seconds: float = 90.0) -> float | None:
        """Send bytes, then one each second.

        Returns:
            Seconds until the server ended the connection; ``None`` if it did not in time.
        """
        self.findings.count += 1
        began = time.monotonic()
        with socket.create_connection(self.address, timeout=30) as connection:
            try:
                connection.sendall(start)
                while time.monotonic() - began < max_seconds:
                    if not select.select([connection], [], [], 1)[0]:
                        connection.sendall(b"1")
                    elif not connection.recv(65536):
                        return time.monotonic() - began
            except ConnectionError:
                return time.monotonic() - began
        return None

    def check(self) -> None:
        """Check the log, the files that were opened, and that the server still answers."""
        problems = self.findings.problems
        log = self.server.log.read_text(errors="replace")
        if "Traceback" in log or "internal error" in log:
            problems.append(
                f"the log has a traceback:\n{log[log.find('Traceback') - 2000 :][:6000]}"
            )
        problems += [
            f"{path} was opened" for path in sorted(self._opened.read() - {self.server.log})
        ]
        problems += sorted(self._foreign_events())
        if self.server.process.poll() is not None:
            problems.append("the server has ended")
        elif self.server.status() != 200:
            problems.append("the server is not healthy")

    def _foreign_events(self) -> set[str]:
        """Return the recorded events that are about nothing of the server's own."""
        with self._record.open("rb") as file:
            file.seek(self._recorded)
            lines = file.read().splitlines()
        events = {tuple(json.loads(line)) for line in lines}
        return {
            f"{event} of {subject!r}"
            for event, subject in events
            if not (
                subject.startswith(_OWN_FOLDERS)
                or "/site-packages" in subject
                or subject.isdecimal()  # a descriptor
            )
        }


@contextmanager
def hostile_run(folder: Path, *arguments: str) -> Iterator[HostileRun]:
    """Start a server that is watched, and a thread that asks for its health all the time.

    Args:
        folder: An empty folder.
        arguments: Arguments of ``gpustack-draw serve``.
    """
    private = folder / "private"
    private.mkdir()
    canary = private / "canary.safetensors"
    canary.write_bytes(SECRET * 100)
    (private / "canary.png").write_bytes(SECRET)
    record = folder / "record"
    home = folder / "home"
    home.mkdir()
    variables = {"HOME": str(home), "XDG_STATE_HOME": str(speed_file().parents[1])}
    with (
        served(*arguments, folder=home, program=(str(_SCRIPT), str(record)), **variables) as server,
        watched(private, home) as opened,
    ):
        opened.read()
        run = HostileRun(server, canary, opened, record)
        with _asking_for_health(run):
            yield run


@contextmanager
def _asking_for_health(run: HostileRun) -> Iterator[None]:
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.1):
            began = time.monotonic()
            connection = http.client.HTTPConnection(*run.address, timeout=30)
            try:
                connection.request("GET", "/health")
                connection.getresponse().read()
            except OSError as error:
                run.findings.problems.append(f"/health: {error!r}")
            finally:
                connection.close()
            seconds = time.monotonic() - began
            run.findings.slowest_health = max(run.findings.slowest_health, seconds)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_memory_of(pid: int) -> int:
    """Return the largest resident memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _read_answer(request: HostileRequest, received: bytes) -> tuple[int, str]:
    """Return the status of an answer, and its problem; empty for none."""
    if not received:
        return 0, "" if request.may_have_no_answer else "no answer"
    if not received.startswith(b"HTTP/1.1 "):
        return 0, f"not HTTP: {received[:100]!r}"
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(received[9:12])
    if not (400 <= status <= 431 or status in request.statuses):
        return status, f"status {status}: {body[:300]!r}"
    if b"\r\ncontent-type: application/json" in head.lower() and b"chunked" not in head.lower():
        return status, _wrong_json(status, body)
    return status, ""


def _wrong_json(status: int, body: bytes) -> str:
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        return "" if b"HTTP/1.1" in body else f"not JSON: {body[:200]!r}"
    if status >= 400 and body and not ({"error", "detail"} & set(value)):
        return f"not an error: {body[:200]!r}"
    return ""
