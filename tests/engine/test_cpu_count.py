"""One thread per core: affinity, hyper-threads and CPU quotas of control groups."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpustack_draw.engine.cpu_count import usable_cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads files of Linux")

CPUS = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
several_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")
USABLE_CORES = "from gpustack_draw.engine.cpu_count import usable_cores; print(usable_cores())"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def with_cpus(root: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> Path:
    """Set the affinity to `count` CPUs, which no file contains."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(count)))
    return root


def siblings(lists: list[str]) -> dict[str, str]:
    folder = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return {folder.format(cpu): f"{text}\n" for cpu, text in enumerate(lists)}


def test_without_any_file_each_cpu_is_a_core(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == len(CPUS)


def test_hyper_threads_of_a_core_count_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(with_cpus(tmp_path, monkeypatch, 4), siblings(["0,2", "1,3", "0,2", "1,3"]))
    assert usable_cores(root) == 2


@several_cpus
def test_affinity_counts() -> None:
    def usable(cpus: list[int]) -> int:
        done = subprocess.run(
            [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {cpus}); {USABLE_CORES}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert usable(CPUS[:1]) == 1
    assert usable(CPUS[:2]) in {1, 2}  # 1 if they are hyper-threads of one core


QUOTAS = [  # microseconds per period of 100,000, and usable cores out of eight
    ("50000", 1),
    ("100000", 1),
    ("150000", 1),
    ("200000", 2),
    ("399999", 3),
    ("1600000", 8),
]


@pytest.mark.parametrize(("quota", "cores"), [*QUOTAS, ("max", 8)])
@pytest.mark.parametrize("folder", ["sys/fs/cgroup/a/b", "sys/fs/cgroup/a", "sys/fs/cgroup"])
def test_quota_of_cgroup_v2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, quota: str, cores: int
) -> None:
    files = {"proc/self/cgroup": "0::/a/b\n", f"{folder}/cpu.max": f"{quota} 100000\n"}
    assert usable_cores(write(with_cpus(tmp_path, monkeypatch, 8), files)) == cores


def test_the_smallest_quota_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "100000 20000\n",
    }
    assert usable_cores(write(with_cpus(tmp_path, monkeypatch, 8), files)) == 3


@pytest.mark.parametrize(("quota", "cores"), [*QUOTAS, ("-1", 8)])
@pytest.mark.parametrize("folder", ["sys/fs/cgroup/cpu/job", "sys/fs/cgroup/cpu"])
def test_quota_of_cgroup_v1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, quota: str, cores: int
) -> None:
    files = {
        "proc/self/cgroup": "7:memory:/job\n5:cpu,cpuacct:/job\n0::/\n",
        f"{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{folder}/cpu.cfs_period_us": "100000\n",
    }
    assert usable_cores(write(with_cpus(tmp_path, monkeypatch, 8), files)) == cores


@pytest.fixture
def control_group() -> Iterator[Path]:
    """A real control group with a quota of one core, of either version."""
    name = f"gpustack-draw-test-{os.getpid()}"
    for mount, file, quota in (
        ("/sys/fs/cgroup", "cpu.max", "100000 100000"),
        ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
    ):
        group = Path(mount, name)
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / file).exists():
                (group / file).write_text(quota)
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("needs permission to create a control group")


@several_cpus
def test_a_real_quota(control_group: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            f"open('{control_group}/cgroup.procs', 'w').write('0'); {USABLE_CORES}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == 1
