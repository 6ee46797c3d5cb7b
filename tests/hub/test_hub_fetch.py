"""The command fetches from a loopback hub: interrupted, in parallel, onto full disks."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hub_steps import DATA, look_up, open_hub
from loopback_hub import LoopbackHub
from processes import running_processes
from split_model import split_gguf

from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.hub import Hub

QUICK = ["a red circle", "--size", "64x64", "--sample-steps", "1", "--seed", "7"]
WHOLE, PARTS = "hf.co/acme/whole-GGUF", "hf.co/acme/parts-GGUF"
needs_demo = pytest.mark.skipif(not DEMO_FILE.is_file(), reason="the demo model is not here")


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    if DEMO_FILE.is_file():
        hub.add("acme/whole-GGUF", {"whole-Q4_0.gguf": DEMO_FILE})
    yield hub
    for command in Command.started:
        command.forget()
    Command.started.clear()
    hub.close()


def add_components(server: LoopbackHub) -> None:
    prefixes = {"model.diffusion_model.": "", "text_encoders.llm.": "", "tae.": ""}
    names = ["parts-Q4_0.gguf", "qwen3-encoder.gguf", "tae-decoder.gguf"]
    server.add("acme/parts-GGUF", dict(zip(names, split_gguf(DEMO_FILE.read_bytes(), prefixes))))


def size_of(server: LoopbackHub, reference: str) -> int:
    repository = server.repositories[reference.removeprefix("hf.co/")]
    return sum(content.size for content in repository.files.values())


class Command:
    """The command in a separate process and folder."""

    started: ClassVar[list["Command"]] = []

    def __init__(self, server: LoopbackHub, home: Path, model: str, **environment: str) -> None:
        home.mkdir(exist_ok=True)
        (home / "pictures").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gpustack_draw", model, *QUICK],
            env={**os.environ, **server.environment(home), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home / "pictures",
            start_new_session=True,
        )

        self.started.append(self)

    def forget(self) -> None:
        """End a process that a test has left running."""
        self.process.kill()
        self.process.communicate()

    def wait(self) -> tuple[int, str]:
        """Return the exit status and the output."""
        output, errors = self.process.communicate(timeout=60)
        status = self.process.returncode
        assert len(output.splitlines()) == (status == 0)
        return status, errors

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal, and check that all processes have ended a second later."""
        start = time.monotonic()
        self.process.send_signal(number)
        result = self.wait()
        while self.is_running():
            assert time.monotonic() - start < 1
        assert time.monotonic() - start < 1
        return result

    def is_running(self) -> bool:
        if sys.platform == "linux":  # the system may take a second to reap orphans
            return any(each.session == self.process.pid for each in running_processes())
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_until(self, server: LoopbackHub, count: int) -> None:
        while server.bytes_sent < count:
            assert self.process.poll() is None
            time.sleep(0.005)


def kept_files(home: Path) -> list[str]:
    """Return the names of complete and partial files in the cache."""
    return [path.name for path in home.rglob("blobs/*")] + [
        path.name for path in home.rglob("snapshots/*/*")
    ]


ENDINGS = [
    (signal.SIGINT, 130, "gpustack-draw: interrupted\n"),
    (signal.SIGTERM, 143, "gpustack-draw: terminated\n"),
    (signal.SIGKILL, -9, ""),
]


def bytes_on_disk(server: LoopbackHub, reference: str) -> int:
    """Return the number of bytes that a killed process has left in the cache."""
    hub = Hub()
    files = look_up(hub, reference.removeprefix("hf.co/")).files
    return sum(file.bytes for file in files) - hub.bytes_to_fetch(files)


def last_progress(said: str) -> float:
    """Return the number of bytes that a process has reported."""
    found = re.findall(r"^downloading (\d+\.\d)/\d+\.\d MB", said, re.MULTILINE)
    return (float(found[-1]) - 0.05) * 1e6 if found else 0.0


@needs_demo
@pytest.mark.engine
@pytest.mark.parametrize(
    ("model", "ending"),
    [*((WHOLE, ending) for ending in ENDINGS), (PARTS, ENDINGS[2])],
    ids=["SIGINT", "SIGTERM", "SIGKILL", "SIGKILL, files side by side"],
)
def test_an_interrupted_fetch_resumes(
    server: LoopbackHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    ending: tuple[int, int, str],
) -> None:
    """It ends at once and leaves no final name; what it has received is not sent again.

    The server has sent more: the buffers of a connection hold megabytes, which the process has not
    read.
    """
    add_components(server)
    size = size_of(server, model)
    server.fail("/resolve/", seconds=0.006)
    command = Command(server, tmp_path, model)
    command.wait_until(server, size // 2)
    status, said = command.end(ending[0])
    assert (status, said.endswith(ending[2])) == (ending[1], True)
    names = kept_files(tmp_path)
    assert names
    if model == WHOLE:
        assert all(name.endswith(".incomplete") for name in names)
    server.use(monkeypatch, tmp_path)
    kept = bytes_on_disk(server, model)
    assert 0 < kept <= server.bytes_sent
    assert kept >= last_progress(said)
    server.faults.clear()
    server.requests.clear()
    status, said = Command(server, tmp_path, model).wait()
    assert (status, "%" in said) == (0, True)
    assert not [name for name in kept_files(tmp_path) if name.endswith((".incomplete", ".tmp"))]
    # Headers are read again if less of them is on the disk.
    headers = sum(request.bytes_sent for request in server.requests if "-" in request.range[6:-1])
    assert size - kept <= server.bytes_sent <= size - kept + headers


@needs_demo
@pytest.mark.parametrize("path", ["/api/", "/resolve/"])
def test_ctrl_c_while_the_hub_is_silent(server: LoopbackHub, tmp_path: Path, path: str) -> None:
    server.fail(path, stall_after=-1)
    command = Command(server, tmp_path, WHOLE)
    while not any(path in request.path for request in server.requests):
        time.sleep(0.01)
    assert command.end(signal.SIGINT) == (130, "gpustack-draw: interrupted\n")


@needs_demo
def test_ctrl_c_while_another_process_fetches(
    server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch, tmp_path)
    hub = Hub()
    (file,) = look_up(hub, "acme/whole-GGUF").files
    with hub.client.lock(hub.cache.lock(file), 1):
        command = Command(server, tmp_path, WHOLE)
        assert command.process.stderr is not None
        for line in command.process.stderr:
            if line.startswith("downloading"):
                break
        assert command.end(signal.SIGINT)[0] == 130
    assert kept_files(tmp_path) == []


@needs_demo
@pytest.mark.engine
def test_two_processes_fetch_the_same_model_once(server: LoopbackHub, tmp_path: Path) -> None:
    add_components(server)
    size = size_of(server, PARTS)
    server.fail("/resolve/", seconds=0.001)
    first, second = (Command(server, tmp_path, PARTS) for _ in range(2))
    assert first.wait()[0] == second.wait()[0] == 0
    # Each process may have read the headers for its plan.
    headers = sum(request.bytes_sent for request in server.requests if "-" in request.range[6:-1])
    assert size <= server.bytes_sent <= size + headers
    first_picture, second_picture = tmp_path.rglob("pictures/*.png")
    assert first_picture.read_bytes() == second_picture.read_bytes()


@needs_demo
@pytest.mark.engine
def test_a_process_resumes_the_fetch_of_a_killed_one(server: LoopbackHub, tmp_path: Path) -> None:
    """The second process was waiting for the first one."""
    size = size_of(server, WHOLE)
    server.fail("/resolve/", seconds=0.006)
    first = Command(server, tmp_path, WHOLE)
    first.wait_until(server, size // 3)
    second = Command(server, tmp_path, WHOLE)
    first.wait_until(server, size * 2 // 3)
    before = len(server.requests)
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert second.wait()[0] == 0
    (resumed,) = [each for each in server.requests[before:] if each.range.endswith("-")]
    assert int(resumed.range.removeprefix("bytes=").removesuffix("-")) + resumed.bytes_sent == size
    assert resumed.bytes_sent < size


@needs_demo
@pytest.mark.engine
def test_a_cached_model_needs_at_most_one_request(server: LoopbackHub, tmp_path: Path) -> None:
    add_components(server)
    server.fail("/resolve/", seconds=0.006)
    status, said = Command(server, tmp_path, PARTS).wait()
    assert status == 0
    line = r"^downloading \d+\.\d/23\.\d MB, \d+ %, \d+\.\d MB/s, \d+\.\d s left$"
    assert re.search(line, said, re.MULTILINE)
    assert "\r" not in said
    server.requests.clear()
    status, said = Command(server, tmp_path, PARTS).wait()
    assert (status, "downloading" in said) == (0, False)
    assert server.paths() == ["GET /api/models/acme/parts-GGUF"]
    server.requests.clear()
    assert Command(server, tmp_path, PARTS, HF_HUB_OFFLINE="1").wait()[0] == 0
    assert server.paths() == []
    command = Command(server, tmp_path, WHOLE, HF_HUB_OFFLINE="1", HF_ENDPOINT="nonsense")
    assert command.wait() == (
        3,
        (
            "gpustack-draw: hf.co/acme/whole-GGUF is not cached, and HF_HUB_OFFLINE is"
            " set\ngpustack-draw: unset HF_HUB_OFFLINE to download it; available offline: demo,"
            " hf.co/acme/parts-GGUF:Q4_0\n"
        ),
    )


# --- disks and environments -----------------------------------------------------------------------

# A first request imports modules, because "nobody" may not read Python's own folders.
FETCH = """
import os, resource, sys
import huggingface_hub.utils, huggingface_hub.errors
from gpustack_draw.hub import Hub, client, fetch, hub
from gpustack_draw.errors import DrawError
here = Hub()
with here.client.read(here.client.look_up("acme/tiny", "main").file("data.gguf"), 0, 1) as answer:
    next(answer.pieces)
try:
    here.client.look_up("acme/none", "main")
except DrawError:
    pass
with here.client.lock(here.cache.folder.parent.parent / "lock", 1):
    pass
{setup}
try:
    repository = here.repository("acme/tiny", is_sufficient=None)
    print(here.fetch(repository.files))
except DrawError as error:
    print(f"{{error.message}} | {{error.hint}}")
"""


def fetch(server: LoopbackHub, folder: Path, setup: str = "", **environment: str) -> str:
    """Fetch in a separate process, whose cache is below the current folder."""
    result = subprocess.run(
        [sys.executable, "-c", FETCH.format(setup=setup)],
        env={**os.environ, **server.environment(Path("home")), **environment},
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.strip()


@pytest.fixture
def tiny(server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    open_hub(server, tmp_path, monkeypatch)
    return server


AS_NOBODY = "if os.geteuid() == 0: os.setgroups([]); os.setuid(65534)"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_read_only_cache(tiny: LoopbackHub, tmp_path: Path) -> None:
    """A fetch is refused; cached files can be used and are verified once."""
    tmp_path.chmod(0o755)
    (tmp_path / "home").mkdir(mode=0o555)
    refused = (
        "the cache 'home/hub' is not writable: permission denied | set HF_HOME to a writable folder"
    )
    assert fetch(tiny, tmp_path, AS_NOBODY) == refused
    assert list((tmp_path / "home").iterdir()) == []
    (tmp_path / "home").chmod(0o755)
    assert fetch(tiny, tmp_path) == "()"
    for path in (tmp_path / "home").rglob("*"):
        if path.is_dir() and path.name != "xdg":
            path.chmod(0o555)
    sent = tiny.bytes_sent + 1  # of the first request
    for path in (tmp_path / "home").rglob("verified-*"):
        path.unlink()
    assert fetch(tiny, tmp_path, AS_NOBODY) == "()"
    assert tiny.bytes_sent == sent


def test_a_cache_that_is_a_file(tiny: LoopbackHub, tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"")
    assert fetch(tiny, tmp_path).startswith("the cache 'home/hub' cannot be used: ")


@contextlib.contextmanager
def small_disk(folder: Path, count: int) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={count}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("disks cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up(tiny: LoopbackHub, tmp_path: Path) -> None:
    """The error comes before the fetch if the size is known; received bytes are kept."""
    with small_disk(tmp_path / "home", 700_000):
        before = fetch(tiny, tmp_path)
        assert re.fullmatch(
            r"the download needs 1\.\d\d MB, but the disk of the cache 'home/hub' has only"
            r" \d\d\d kB free \| free disk space, or set HF_HOME to a folder on another disk",
            before,
        )
        unknown = "Hub.disk_shortage = lambda *_: ''"
        assert fetch(tiny, tmp_path, unknown) == (
            "the disk of the cache 'home/hub' is full"
            " | free disk space, or set HF_HOME to a folder on another disk; partial files are kept"
        )
        count = max(path.stat().st_size for path in tmp_path.rglob("*.incomplete"))
        assert count > 300_000
        subprocess.run(["mount", "-o", "remount,size=9M", str(tmp_path / "home")], check=True)
        tiny.requests.clear()
        assert fetch(tiny, tmp_path, unknown) == "()"
        assert f"bytes={count}-" in [request.range for request in tiny.requests]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_disk_with_a_limited_file_size(tiny: LoopbackHub, tmp_path: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    tiny.fail("/resolve/", seconds=0.005)
    assert fetch(tiny, tmp_path, limit) == (
        "the cache 'home/hub' cannot hold a file this large"
        " | set HF_HOME to a folder on another disk"
    )
    assert fetch(tiny, tmp_path) == "()"
    size = sum(content.size for content in tiny.repositories["acme/tiny"].files.values())
    assert tiny.bytes_sent <= size + 2 * 65_536


def test_the_environment_of_huggingface_hub_applies(tmp_path: Path) -> None:
    """HF_ENDPOINT with a path and a slash, HF_HUB_CACHE, and a token in a file."""
    mirror = LoopbackHub(prefix="/mirror/hf")
    mirror.add("acme/tiny", {"data.gguf": DATA}, gated=True)
    cdn = mirror.add_cdn()
    (tmp_path / "token").write_text(mirror.TOKEN)
    environment = {
        "HF_ENDPOINT": f"{mirror.url}/",
        "HF_HUB_CACHE": "elsewhere",
        "HF_TOKEN_PATH": "token",
    }
    assert fetch(mirror, tmp_path, **environment) == "()"
    assert [path.read_bytes() for path in tmp_path.glob("elsewhere/*/snapshots/*/*")] == [DATA]
    assert {request.token for request in mirror.requests} == {f"Bearer {mirror.TOKEN}"}
    assert {request.token for request in cdn.requests} == {""}
    assert not (tmp_path / "home" / "hub").exists()
    mirror.close()
