"""Draw the figure of docs/performance.md from the comparison's output.

    python benchmarks/compare_cpu/plot.py results.json docs/images/cpu-step.svg

Needs matplotlib. Each panel is a model: seconds per step over the side of the picture, both
logarithmic, and the minimum that the machine's matrix peak allows.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compare_cpu.job import outcome_from
from compare_cpu.report import Row, Setting, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

STYLES = {"ours": "o-", "plain": "s--", "sd-cli": "^--", "sd.cpp-python": "v--"}
STYLES |= {"diffusers": "D:", "openvino": "x:"}


def main() -> None:
    """Read the results, draw the figure and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="results of one machine")
    parser.add_argument(
        "picture", type=Path, help="the file to write; its suffix selects the format"
    )
    options = parser.parse_args()
    results = [json.loads(path.read_text(encoding="utf-8")) for path in options.results]
    machine = results[0]["machine"]
    work = [entry for result in results for entry in result["work"]]
    table = rows(outcome_from(entry) for result in results for entry in result["outcomes"])

    from matplotlib.figure import Figure

    models = list(dict.fromkeys(model for model, _side in table))
    figure = Figure(figsize=(5 * len(models), 5), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        _draw(axes, model, table)
        _draw_limit(axes, model, work, machine.get("peaks", {}))
        axes.legend(fontsize="x-small")
    cpu = machine.get("cpu", {}).get("name", "")
    figure.suptitle(f"{cpu}, {machine.get('threads')} threads")
    figure.savefig(options.picture)


def _draw(axes: Axes, model: str, table: dict[Setting, list[Row]]) -> None:
    from matplotlib.ticker import LogLocator

    lines: dict[str, list[tuple[int, float]]] = {}
    for (of_model, side), there in sorted(table.items()):
        for row in there if of_model == model else ():
            lines.setdefault(row.title, []).append((side, row.step))
    for title, points in lines.items():
        axes.plot(*zip(*points, strict=True), STYLES[title.split()[0]], label=title)
    sides = sorted({side for of_model, side in table if of_model == model})
    axes.set(xscale="log", yscale="log", title=model, xlabel="side, pixels", ylabel="s per step")
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _draw_limit(
    axes: Axes, model: str, work: list[dict[str, Any]], peaks: Mapping[str, float]
) -> None:
    counted = [entry for entry in work if entry["model"] == model and "step" in entry]
    if not peaks or not counted:
        return
    kind = max(("f32", "bf16"), key=peaks.__getitem__)
    points = sorted((entry["side"], entry["step"] / peaks[kind]) for entry in counted)
    axes.plot(*zip(*points, strict=True), "k-", alpha=0.4, label=f"{kind} matrix peak")


if __name__ == "__main__":
    main()
