"""Tables of the time that something adds, beside that of a peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compare_cpu.report import aligned


@dataclass(frozen=True)
class Added:
    """Median seconds of a contestant without and with something.

    Attributes:
        title: The contestant.
        without: Seconds without it.
        with_it: Seconds with it.
    """

    title: str
    without: float
    with_it: float

    @property
    def added(self) -> float:
        """The seconds that it adds."""
        return self.with_it - self.without


def added_table(rows: Sequence[Added], peer: str) -> str:
    """Return a table of seconds, and of their ratios to those of a peer if it is among the rows."""
    beside = next((row for row in rows if row.title == peer), None)
    lines = [["", "without", "with", "added", "with/without"]]
    if beside is not None:
        lines[0] += [f"/ {peer}: without", "with", "added"]
    for row in rows:
        seconds = [f"{each:.3f}" for each in (row.without, row.with_it, row.added)]
        lines.append([row.title, *seconds, f"{row.with_it / row.without:.3f}"])
        if beside is not None:
            ratios = (
                row.without / beside.without,
                row.with_it / beside.with_it,
                row.added / beside.added,
            )
            lines[-1] += [f"{ratio:.2f}" for ratio in ratios]
    return aligned(lines)
