"""An engine that runs out of memory costs one drawing: the error states what to do."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import worker_pid

import gpustack_draw
from gpustack_draw import Model, NotEnoughMemoryError, Progress
from gpustack_draw.engine import core_engine, process
from gpustack_draw.memory.cgroups import control_groups
from gpustack_draw.memory.oom_kills import oom_kills

pytestmark = pytest.mark.engine

LOADING = "close other programs, or use a smaller quantization of the model, for example Q4_0"
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


@pytest.mark.parametrize(("device", "gpu"), [("auto", "CUDA0"), ("vulkan0", ""), ("FastCPU", "")])
def test_a_gpu_with_memory_of_its_own_is_named(
    device: str, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CoreError(Exception):
        pass

    class DamagedModelError(Exception):
        pass

    def fail(**_options: object) -> None:
        raise CoreError("the engine loaded no model: failed to allocate CUDA0 buffer")

    devices = [
        SimpleNamespace(name="Vulkan0", type="igpu", used=False),
        SimpleNamespace(name="CUDA0", type="gpu", used=True),
        SimpleNamespace(name="FastCPU", type="cpu", used=False),
    ]
    core = SimpleNamespace(
        Engine=fail,
        EngineError=CoreError,
        DamagedModelError=DamagedModelError,
        list_devices=lambda: devices,
        backend_log=list,
    )
    monkeypatch.setattr(core_engine, "import_core", lambda: core)
    with pytest.raises(NotEnoughMemoryError) as caught:
        core_engine.CoreEngine().load(files={}, threads=1, device=device)
    assert caught.value.message == "not enough memory to load the model: the engine loaded no model"
    close = f"close other programs{' that use ' if gpu else ''}{gpu}"
    assert caught.value.hint == (
        f"{close}, or use a smaller quantization of the model, for example Q4_0"
    )


@pytest.fixture
def control_group() -> Iterator[Path]:
    """Return a new control group below that of this process."""
    for parent in control_groups("memory", Path("/")):
        group = parent.directory / f"gpustack-draw-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / {1: "memory.limit_in_bytes", 2: "memory.max"}[parent.version]).exists():
            yield group
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("no control group of memory can be created here")


@pytest.mark.parametrize(
    ("phase", "purpose", "hint"),
    [
        ("load", "load the model", LOADING),
        ("encode_pictures", "encode the input pictures", TILES),
        ("encode", "encode the prompt", SMALLER),
        ("sample", "sample the picture", SMALLER),
        ("decode", "decode the picture", TILES),
    ],
)
def test_a_kill_by_linux_at_the_limit_of_a_control_group(
    phase: str, purpose: str, hint: str, control_group: Path
) -> None:
    """The limit is reached within a phase, at whose start it is set to little more than is used."""
    script = """
import sys, gpustack_draw
from pathlib import Path
import numpy as np
from gpustack_draw.memory import choose
choose.available_memory = lambda: None  # the check before the drawing would refuse it
group, phase = Path(sys.argv[1]), sys.argv[2]
(group / "cgroup.procs").write_text("0")
spare = 4 if phase == "load" else 1  # MiB; loading also starts the engine's process
phases = []
def limit(progress):
    phases.append(progress.phase)
    if phases.count(phase) == 1 and progress.phase == phase:
        for used, most in (("usage_in_bytes", "limit_in_bytes"), ("current", "max")):
            if (group / f"memory.{used}").exists():
                count = int((group / f"memory.{used}").read_text())
                (group / f"memory.{most}").write_text(str(count + spare * 2**20))
image = np.zeros((512, 512, 3), np.uint8) if phase == "encode_pictures" else None
with gpustack_draw.load("demo") as model:
    try:
        model.generate("x", size=(512, 512), image=image, sample_steps=3, on_progress=limit)
    except gpustack_draw.NotEnoughMemoryError as error:
        print(error)
    for name, none in (("memory.limit_in_bytes", "-1"), ("memory.max", "max")):
        if (group / name).exists():
            (group / name).write_text(none)
    print(model.generate("x", size=(64, 64), sample_steps=1).size)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(control_group), phase],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [
        f"not enough memory to {purpose}: the system ended the engine",
        hint,
        "(64, 64)",
    ], (done.returncode, done.stderr)
