"""Tables of results: medians, ratios, shares of the machine's peak."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compare_cpu.job import Outcome, Timing

REFERENCES = (
    *("diffusers f32", "diffusers bf16"),
    *("openvino f32", "openvino bf16", "openvino int8"),
)
_GIGA, _MEBI = 1e9, 2**20

Setting = tuple[str, int]  # model and side


@dataclass(frozen=True)
class Row:
    """Medians of one contestant with one model at one size; seconds and bytes.

    Attributes:
        title: The contestant.
        first: The first step of a run, including packing, compilation and allocation.
        step: All other sampling steps.
        spread: Half of the steps' interquartile range, as a share of the median.
        decode: From the latent to the picture; None without a decoder.
        load: From the files to a model that is ready.
        peak_bytes: Peak memory.
        runs: Number of runs.
    """

    title: str
    first: float
    step: float
    spread: float
    decode: float | None
    load: float
    peak_bytes: float
    runs: int


def rows(outcomes: Iterable[Outcome]) -> dict[Setting, list[Row]]:
    """Return the medians of each contestant by model and side, in the order of first runs."""
    runs: dict[tuple[Setting, str], list[tuple[Timing, int]]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.timing is not None:
            job = outcome.job
            runs[(job.model, job.side), job.title].append((outcome.timing, outcome.peak_bytes))
    table: dict[Setting, list[Row]] = defaultdict(list)
    for (setting, title), all_runs in runs.items():
        table[setting].append(_row(title, all_runs))
    return dict(table)


def _row(title: str, runs: Sequence[tuple[Timing, int]]) -> Row:
    steps = [second for timing, _peak in runs for second in timing.steps[1:] or timing.steps]
    decodes = [timing.decode for timing, _peak in runs if timing.decode is not None]
    step = statistics.median(steps)
    quarters = statistics.quantiles(steps, method="inclusive") if len(steps) > 1 else [step] * 3
    return Row(
        title,
        statistics.median(timing.steps[0] for timing, _peak in runs),
        step,
        (quarters[2] - quarters[0]) / 2 / step,
        statistics.median(decodes) if decodes else None,
        statistics.median(timing.load for timing, _peak in runs),
        statistics.median(peak for _timing, peak in runs),
        len(runs),
    )


def measured_table(
    table: Sequence[Row], work: Mapping[str, float], peaks: Mapping[str, float]
) -> list[list[str]]:
    """Return lines of cells: measurements, and the share of the machine's peaks in a step.

    Args:
        table: The rows.
        work: Operations of a ``step``; empty if they were not counted.
        peaks: Operations per second by type.
    """
    head = ["", "first s", "step s", "+-", "decode s", "load s", "peak MiB", "runs"]
    counted = "step" in work
    if counted:
        head += ["GFLOP/s", *(f"of {kind}" for kind in peaks)]
    lines = [head]
    for row in table:
        line = [
            row.title,
            _seconds(row.first),
            _seconds(row.step),
            f"{row.spread:.0%}",
            _seconds(row.decode),
            _seconds(row.load),
            f"{row.peak_bytes / _MEBI:.0f}",
            str(row.runs),
        ]
        if counted:
            rate = work["step"] / row.step
            line += [f"{rate / _GIGA:.0f}", *(f"{rate / peak:.0%}" for peak in peaks.values())]
        lines.append(line)
    return lines


def ratio_table(table: Sequence[Row]) -> list[list[str]]:
    """Return lines of cells: ratios of steps to those of the references; below 1 is faster.

    The last columns are the engine without this package's backend and the engine's command, both
    with the same weights; and this package with f16 weights.
    """
    by_title = {row.title: row for row in table}
    there = [title for title in REFERENCES if title in by_title]
    lines = [["step, ratio to", *there, "plain, same weights", "sd-cli, same weights", "ours f16"]]
    for row in table:
        kind = row.title.split()[-1]
        others = [*there, f"plain {kind}", f"sd-cli {kind}", "ours f16"]
        lines.append([row.title, *(_ratio(row, by_title.get(other)) for other in others)])
    return lines


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a table as text: the first column is left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _ratio(row: Row, other: Row | None) -> str:
    return "-" if other is None else f"{row.step / other.step:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"
