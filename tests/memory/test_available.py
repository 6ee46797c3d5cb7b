"""The memory that is available on this machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from gpustack_draw.memory.available import available_memory


def write(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads files of Linux")


@linux
def test_available_memory_of_the_kernel(tmp_path: Path) -> None:
    write(tmp_path, proc__meminfo="MemTotal: 9000 kB\nMemAvailable:    2000 kB\n")
    assert available_memory(tmp_path) == 2_048_000


@linux
def test_nothing_is_reported(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


@linux
@pytest.mark.parametrize(
    ("limit", "parent_limit", "available"),
    [("max", "max", 2_048_000), ("500000", "max", 350_000), ("500000", "400000", 100_000)],
)
def test_limit_of_cgroup_v2(tmp_path: Path, limit: str, parent_limit: str, available: int) -> None:
    group = tmp_path / "sys/fs/cgroup/user.slice"
    (group / "job").mkdir(parents=True)
    (group / "memory.max").write_text(parent_limit)
    (group / "memory.current").write_text("300000")
    (group / "job/memory.max").write_text(limit)
    (group / "job/memory.current").write_text("200000")
    (group / "job/memory.stat").write_text("anon 1\ninactive_file 50000\n")
    write(
        tmp_path,
        proc__meminfo="MemAvailable: 2000 kB\n",
        proc__self__cgroup="0::/user.slice/job\n",
    )
    assert available_memory(tmp_path) == available


@linux
def test_limit_of_cgroup_v1(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/memory/job"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("1000000")
    (group / "memory.usage_in_bytes").write_text("700000")
    (group / "memory.stat").write_text("total_inactive_file 100000\n")
    write(
        tmp_path,
        proc__meminfo="MemAvailable: 2000 kB\n",
        proc__self__cgroup="5:cpu,memory:/job\n4:pids:/job\n",
    )
    assert available_memory(tmp_path) == 400_000


def test_this_machine_has_memory() -> None:
    available = available_memory()
    assert available is None or available > 1_000_000


@linux
def test_limit_of_address_space_counts() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from gpustack_draw.memory.available import available_memory; print(available_memory())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 2**30
