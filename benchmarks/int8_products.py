"""Compare pictures and steps with int8 products, in floating point, and by ggml's CPU code.

    python benchmarks/int8_products.py MODEL... [--side 256] [--steps 4] [--cfg-scale 1]

Draws the same picture from each file, in turns, and prints a table: CPU seconds of a step, which
other programs on the machine change less than its duration; their ratio to the step in floating
point; and the peak signal-to-noise ratio to the pictures of the other two.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
from pathlib import Path

import numpy as np

import gpustack_draw
from gpustack_draw import Progress

PROMPT = "a red circle on a blue background"
FLOAT, INT8, GGML = "float", "int8", "ggml"
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Draw with every model, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--cfg-scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print("| model | products | step, CPU s | / float | dB to float | dB to ggml |")
    print("|---|---|---|---|---|---|")
    for model in options.models:
        steps: dict[str, list[float]] = {FLOAT: [], INT8: [], GGML: []}
        pictures = {}
        for _round in range(options.rounds):
            for name in steps:
                pictures[name], seconds = draw(model, name, options)
                steps[name] += seconds
        medians = {name: statistics.median(seconds) for name, seconds in steps.items()}
        for name, median in medians.items():
            ratios = [psnr(pictures[name], pictures[other]) for other in (FLOAT, GGML)]
            print(
                f"| {Path(model).name} | {name} | {median:.2f} | {median / medians[FLOAT]:.2f} |"
                f" {ratios[0]} | {ratios[1]} |",
                flush=True,
            )


def draw(model: str, name: str, options: argparse.Namespace) -> tuple[np.ndarray, list[float]]:
    """Return a picture, and the CPU seconds of each step except the first."""
    os.environ["GPUSTACK_DRAW_CPU_PRECISION"] = FLOAT if name == GGML else name
    spent: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "sample" and progress.step > len(spent):
            spent.append(cpu_seconds_of_children())

    with gpustack_draw.load(model, device="CPU" if name == GGML else "FastCPU") as loaded:
        picture = loaded.generate(
            PROMPT,
            size=(options.side, options.side),
            sample_steps=options.steps,
            cfg_scale=options.cfg_scale,
            seed=7,
            on_progress=on_progress,
        )
    return np.asarray(picture).astype(float), [b - a for a, b in itertools.pairwise(spent)]


def cpu_seconds_of_children() -> float:
    """Return the CPU time of this process's children, which are the engine's process."""
    me = os.getpid()
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # has ended
            continue
        if int(fields[1]) == me:
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def psnr(picture: np.ndarray, other: np.ndarray) -> str:
    """Return the peak signal-to-noise ratio of two pictures in dB."""
    error = float(np.mean((picture - other) ** 2))
    return "-" if error == 0 else f"{10 * np.log10(255**2 / error):.1f}"


if __name__ == "__main__":
    main()
