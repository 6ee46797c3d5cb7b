"""Compare the estimated time of drawings with the measured one, at several sizes and steps.

    python benchmarks/time_estimates.py [--models demo sd15] [--clock cpu]

Each drawing is made twice, and the second one is estimated three times: by a first guess, scaled
from the drawing of the first line, and from the same drawing before. With ``--clock cpu`` one
thread draws, and times are the CPU time of the process, which other programs hardly change.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_cpu.job import Job
from compare_cpu.weights import prepare
from gpustack_draw import DrawRequest, Model, Progress, load
from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.cpu_count import usable_cores
from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.results import FAST_CPU, EngineProgress
from gpustack_draw.speed.drawing_work import PhaseWork, drawing_work
from gpustack_draw.speed.estimate import PictureTime, estimate_time, record_time
from gpustack_draw.speed.measurements import Computer

# The first is the one from which all others are estimated.
DRAWINGS = {
    "demo": ((256, 4), (256, 8), (128, 4), (512, 4), (384, 2), (64, 8)),
    "sd15": ((256, 4), (256, 8), (128, 4), (512, 2), (384, 2)),
    "klein": ((256, 2), (256, 4), (512, 1)),
}
CFG = {"demo": 1.0, "sd15": 7.0, "klein": 1.0}
Clock = Callable[[], float]


def drawn_seconds(
    model: Model, request: DrawRequest, clock: Clock
) -> tuple[dict[str, float], dict[str, float]]:
    """Draw a picture and return the seconds of each phase, as measured and as recorded."""
    progress_of_phases = PictureProgress(None, Progress("load", 0, 0, 0.0), lambda: None)
    started: dict[str, float] = {}

    def on_progress(progress: Progress) -> None:
        seconds = clock() - started.setdefault(progress.phase, clock())
        record = EngineProgress(progress.phase, progress.step, progress.total, seconds)
        progress_of_phases(record)

    next(model.draw(request, on_progress))
    return progress_of_phases.seconds, progress_of_phases.steady_seconds


def work_of(model: Model, request: DrawRequest) -> tuple[PhaseWork, ...]:
    """Return the work of a drawing."""
    assert model.resolved is not None
    return drawing_work(model.resolved, model.settings(request)[0])


def estimated(work: tuple[PhaseWork, ...], computer: Computer, speed: float = 0.0) -> PictureTime:
    """Return the estimate from the measurements of a computer."""
    found = estimate_time(work, computer, lambda: speed)
    assert found is not None
    return found


def measure(name: str, file: str, clock: Clock, threads: int) -> None:
    """Draw with a model and print a line for each drawing."""
    device = next(each.name for each in CoreEngine().devices() if each.used)
    speed = CoreEngine().measure_speed(device=device, threads=threads)
    print(f"\n{name}: measured seconds, and estimates divided by them ({speed / 1e9:.0f} GFLOP/s)")
    print(f"{'':13}{'encode':>7}{'sample':>7}{'decode':>7}{'picture':>8}{'guess':>7}{'sample':>7}"
          f"{'decode':>7}{'scaled':>7}{'sample':>7}{'decode':>7}{'before':>7}")  # fmt: skip
    with load(file, in_process=True, threads=threads) as model:
        for index, (side, steps) in enumerate(DRAWINGS[name]):
            request = DrawRequest(prompt="a cat", size=(side, side), sample_steps=steps, seed=1,
                                  cfg_scale=CFG[name])  # fmt: skip
            work = work_of(model, request)
            fast = device == FAST_CPU
            product, of_first, of_same = (
                Computer(device=f"{name} {key}", threads=threads, is_fast_cpu=fast)
                for key in ("product", "first", index)
            )
            guess = estimated(work, product, speed)
            _, first = drawn_seconds(model, request, clock)
            if index == 0:
                record_time(work, of_first, first)
            record_time(work, of_same, first)
            scaled, before = estimated(work, of_first), estimated(work, of_same)
            second, _ = drawn_seconds(model, request, clock)
            total = sum(second[phase] for phase in ("encode", "sample", "decode"))
            cells = [*(second[phase] for phase in ("encode", "sample", "decode")), total]
            for estimate in (guess, scaled):
                cells += [estimate.picture / total, estimate.sample / second["sample"]]
                cells.append(estimate.decode / second["decode"])
            cells.append(before.picture / total)
            print(f"{side:5} {steps} steps" + "".join(f"{cell:7.2f}" for cell in cells), flush=True)


def main() -> None:
    """Measure and print a table for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--models", nargs="+", choices=DRAWINGS, default=["demo", "sd15"])
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock, threads = time.perf_counter, usable_cores() or os.cpu_count() or 1
    if options.clock == "cpu":
        clock, threads = time.process_time, 1
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = os.environ["LOCALAPPDATA"] = state
        for name in options.models:
            job = Job("", "f16", name, 256, 1, CFG[name], 0, str(options.weights), "")
            measure(name, "demo" if name == "demo" else prepare(job)["file"], clock, threads)


if __name__ == "__main__":
    main()
