"""Measure the time that step caches save, and how much they change the pictures.

    python benchmarks/step_caches.py [--models demo sd15 klein] [--steps 20 30] [--count 6]

Draws the same pictures without a cache and with each cache, in turns, in one process. The time is
the CPU time of the process while it samples, which other programs on the machine do not change;
the time of the whole drawing beside it includes the text encoder and the decoder. Differences are
of 255 levels, to the picture without a cache. Of the demo model, a checker also reads the pictures.
The weights of the other models are random, those of compare_cpu: their differences say nothing
about real weights, whose outputs change more evenly from step to step.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from picture_checker import read_picture

from compare_cpu.job import Job
from compare_cpu.weights import prepare
from demo_accuracy import SINGLE_GROUPS, Prompt, make_prompts, score
from gpustack_draw import DrawRequest, Picture, Progress, load
from gpustack_draw.model import Model

SIDES = {"demo": 256, "sd15": 256, "klein": 256}
CFG = {"demo": 1.0, "sd15": 7.0, "klein": 1.0}
UNETS = ("sd15",)
CACHES = ("spectrum", "ucache", "easycache", "easycache:threshold=0.05", "dbcache")


@dataclass
class Drawn:
    """The pictures of one cache."""

    pictures: list[Picture] = field(default_factory=list)
    sampling: float = 0.0
    whole: float = 0.0
    correct: int = 0

    @property
    def skipped(self) -> int:
        """Evaluations that the cache skipped."""
        return sum(picture.evaluations_skipped or 0 for picture in self.pictures)


def draw(model: Model, request: DrawRequest, drawn: Drawn) -> None:
    """Draw a picture and add it, and its CPU time, to a record."""
    times: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "sample":
            times.append(time.process_time())

    start = time.process_time()
    drawn.pictures += model.draw(request, on_progress)
    drawn.whole += time.process_time() - start
    drawn.sampling += times[-1] - times[0]


def caches_of(name: str, caches: list[str]) -> list[str]:
    """Return those of some caches that fit a model."""
    other_kind = ("easycache", "dbcache") if name in UNETS else ("ucache",)
    return [cache for cache in caches if not cache.startswith(other_kind)]


def measure(
    name: str, file: str, steps: int, prompts: list[Prompt], sampler: str, caches: list[str]
) -> None:
    """Draw the prompts with every cache of a model and print a table."""
    records = {cache: Drawn() for cache in ("off", *caches_of(name, caches))}
    side = SIDES[name]
    with load(file, in_process=True) as model:
        options = {"size": (side, side), "cfg_scale": CFG[name], "sampler": sampler}
        next(model.draw(DrawRequest(prompt="a cat", sample_steps=1, **options)))  # loads the model
        for prompt in prompts:
            for cache, drawn in records.items():
                request = DrawRequest(prompt=prompt.text, seed=prompt.seed, sample_steps=steps,
                                      cache=cache, **options)  # fmt: skip
                draw(model, request, drawn)
                reading = read_picture(drawn.pictures[-1].to_image()) if name == "demo" else None
                drawn.correct += bool(reading and score(prompt, reading).hits["all"])
    print(f"\n{name}, {side}x{side}, {steps} steps, {sampler}, {len(prompts)} pictures")
    print(f"{'':26}{'skipped':>9}{'sampling':>10}{'ratio':>7}{'whole':>7}{'mean':>7}{'max':>5}"
          f"{'correct':>9}")  # fmt: skip
    plain = records["off"]
    for cache, drawn in records.items():
        differences = [
            np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))
            for one, other in zip(drawn.pictures, plain.pictures, strict=True)
        ]
        correct = f"{drawn.correct}/{len(prompts)}" if name == "demo" else ""
        print(f"{cache:26}{drawn.skipped / len(prompts):9.1f}{drawn.sampling:8.2f} s"
              f"{drawn.sampling / plain.sampling:7.2f}{drawn.whole / plain.whole:7.2f}"
              f"{np.mean(differences):7.2f}{np.max(differences):5}{correct:>9}")  # fmt: skip


def main() -> None:
    """Measure and print a table for each model and number of steps."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--models", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--steps", nargs="+", type=int, default=[20, 30])
    parser.add_argument("--samplers", nargs="+", default=["euler"])
    parser.add_argument("--caches", nargs="+", default=CACHES)
    parser.add_argument("--count", type=int, default=6, help="pictures of the demo model")
    options = parser.parse_args()
    prompts = make_prompts(-(-options.count // len(SINGLE_GROUPS)), 1, SINGLE_GROUPS)
    for name in options.models:
        job = Job("", "f16", name, SIDES[name], 1, CFG[name], 0, str(options.weights), "")
        file = "demo" if name == "demo" else prepare(job)["file"]
        count = options.count if name == "demo" else 1
        for steps in options.steps:
            for sampler in options.samplers:
                measure(name, file, steps, prompts[:count], sampler, options.caches)


if __name__ == "__main__":
    main()
