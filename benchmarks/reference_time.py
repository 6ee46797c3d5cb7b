"""Measure the time that reference pictures add to a step, beside PyTorch with diffusers' network.

    python benchmarks/reference_time.py [--side 512] [--references 1] [--runs 3] [--steps 3]

Draws with the klein model of compare_cpu, with and without references of the picture's size, in
turns and each in its own process. Printed are, for every contestant, the median seconds of a step
without and with them, their difference and ratio, and the ratios to PyTorch in f32. PyTorch runs
only the network, on as many tokens, so that no side's steps include encoding the pictures.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_cpu.added import Added, added_table
from compare_cpu.contestants import run_or_exit
from compare_cpu.job import Job

CONTESTANTS = ("ours f16", "ours bf16", "ours q8_0", "diffusers f32", "diffusers bf16")


def measure(jobs: list[Job], runs: int, peers: str) -> dict[Job, float]:
    """Return the median seconds of a step of each job, without the first step of each run.

    Raises:
        SystemExit: A contestant is not installed or failed.
    """
    seconds: dict[Job, list[float]] = {job: [] for job in jobs}
    for _ in range(runs):
        for job in jobs:
            timing = run_or_exit(job, peers).timing
            assert timing is not None
            seconds[job] += timing.steps[1:]
    return {job: median(each) for job, each in seconds.items()}


def prepare(job: Job, peers: str) -> None:
    """Write the weights of a job, unless they exist.

    Raises:
        SystemExit: They cannot be written.
    """
    is_ours = job.contestant == "ours"
    writer = "weights" if is_ours else f"{job.contestant} weights"
    run_or_exit(replace(job, contestant=writer, kind=job.kind if is_ours else ""), peers)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--side", type=int, default=512, help="side of the pictures, in pixels")
    parser.add_argument("--references", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--steps", type=int, default=3, help="steps; the first is a warm-up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=sys.executable, help="Python with diffusers")
    options = parser.parse_args()
    settings = Job("", "", "klein", options.side, options.steps, 1.0, options.threads,
                   str(options.weights), "")  # fmt: skip
    jobs = []
    for title in options.only:
        contestant, kind = title.split()
        job = replace(settings, contestant=contestant, kind=kind)
        prepare(job, options.peers)
        jobs += [job, replace(job, references=options.references)]
    seconds = measure(jobs, options.runs, options.peers)
    rows = [
        Added(without.title, seconds[without], seconds[with_references])
        for without, with_references in zip(jobs[::2], jobs[1::2], strict=True)
    ]
    print(f"klein, {options.side} pixels, references: {options.references}, runs: {options.runs}\n")
    print(added_table(rows, "diffusers f32"))


if __name__ == "__main__":
    main()
