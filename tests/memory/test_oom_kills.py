"""The number of processes that Linux has killed because memory ran out."""

from pathlib import Path

import pytest

from gpustack_draw.memory.oom_kills import oom_kills

V1 = "11:cpu:/\n4:memory:/job\n0::/\n"
V2 = "0::/user.slice/job\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        (V1, {"sys/fs/cgroup/memory/job/memory.oom_control": "under_oom 0\noom_kill 3\n"}, 3),
        (V2, {"sys/fs/cgroup/user.slice/job/memory.events": "oom 9\noom_kill 2\n"}, 2),
        # The innermost group has no memory controller; its parent counts for it, too.
        (V2, {"sys/fs/cgroup/user.slice/memory.events": "oom_kill 4\n"}, 4),
        (V2, {"proc/vmstat": "pgfault 7\noom_kill 5\noom_kill_other 8\n"}, 5),
        (V2, {"proc/vmstat": "pgfault 7\n"}, None),
    ],
)
def test_the_innermost_count(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int | None
) -> None:
    write(tmp_path, {"proc/self/cgroup": groups, **files})
    assert oom_kills(tmp_path) == expected


def test_a_system_that_does_not_count(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) is None
