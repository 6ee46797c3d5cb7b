"""An engine that runs out of memory costs one drawing: the error states what to do."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import worker_pid

import gpustack_draw
from gpustack_draw import Model, NotEnoughMemoryError, Progress
from gpustack_draw.engine import process
from gpustack_draw.memory.cgroups import control_groups
from gpustack_draw.memory.oom_kills import oom_kills

pytestmark = pytest.mark.engine

TILES = "decode it in tiles with vae_tiling='on', draw a smaller size, or close other programs"
SMALLER = "draw a smaller size, use a smaller quantization of the model, or close other programs"


@pytest.fixture
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


def test_a_kill_that_the_control_group_counts(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "sys/fs/cgroup/job"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    (group / "memory.events").write_text("oom_kill 7\n")
    monkeypatch.setattr(process, "oom_kills", lambda: oom_kills(tmp_path))

    def kill(progress: Progress) -> None:
        if progress.phase == "sample":
            (group / "memory.events").write_text("oom_kill 8\n")
            os.kill(worker_pid(model), signal.SIGKILL)

    with pytest.raises(NotEnoughMemoryError) as caught:
        model.generate("x", size=(64, 64), sample_steps=10_000, on_progress=kill)
    assert (caught.value.message, caught.value.hint) == (
        "not enough memory to sample the picture: the system ended the engine",
        SMALLER,
    )
    assert model.generate("x", size=(64, 64), sample_steps=1).size == (64, 64)


@pytest.mark.parametrize(
    ("spare", "side", "purpose", "hint"),
    [(4, 1024, "sample", SMALLER), (100, 512, "decode", TILES)],
)
def test_an_allocation_that_fails(
    model: Model, spare: int, side: int, purpose: str, hint: str
) -> None:
    model.generate("x", size=(64, 64), sample_steps=1)
    pid = worker_pid(model)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + spare * 1_000_000
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    with pytest.raises(NotEnoughMemoryError) as caught:
        model.generate("x", size=(side, side), sample_steps=1)
    assert (caught.value.message, caught.value.hint) == (
        f"not enough memory to {purpose} the picture: the engine drew no picture",
        hint,
    )
    assert model.generate("x", size=(64, 64), sample_steps=1).size == (64, 64)
    assert worker_pid(model) != pid  # what the failed drawing has allocated is free again


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """Return a new control group with a limit of memory, below that of this process."""
    limits = {1: "memory.limit_in_bytes", 2: "memory.max"}
    for parent in control_groups("memory", Path("/")):
        group = parent.directory / f"gpustack-draw-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limits[parent.version]).write_text("330000000")
        except OSError:
            continue
        else:
            yield group
            return
        finally:
            group.rmdir()
    pytest.skip("no control group with a limit of memory can be created here")


def test_a_kill_by_linux_at_the_limit_of_a_control_group(limited_group: Path) -> None:
    script = """
import sys, gpustack_draw
from gpustack_draw.memory import choose
choose.available_memory = lambda: None  # the check before the drawing would refuse it
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write("0")
with gpustack_draw.load("demo") as model:
    try:
        model.generate("x", size=(768, 768), sample_steps=1)
    except gpustack_draw.NotEnoughMemoryError as error:
        print(error)
    print(model.generate("x", size=(64, 64), sample_steps=1).size)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(limited_group)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "not enough memory to decode the picture: the system ended the engine",
        TILES,
        "(64, 64)",
    ], done.stderr
