"""Running processes, read from /proc."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class RunningProcess(NamedTuple):
    """A process that has not ended."""

    pid: int
    parent: int
    session: int


def running_process(pid: int) -> RunningProcess | None:
    """Return a process; None if there is none, or if it is a zombie."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return None
    state, parent, _group, session = after_name.split()[:4]
    return None if state == "Z" else RunningProcess(pid, int(parent), int(session))


def running_processes() -> Iterator[RunningProcess]:
    """Yield all running processes."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (process := running_process(int(folder.name))):
            yield process


def worker_pid(model: Any) -> int:
    """Return the process of a model's engine, which runs."""
    pid = model._engine._engine.pid
    assert pid is not None
    return int(pid)
