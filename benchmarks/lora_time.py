"""Measure the time that a LoRA adds to a step, beside diffusers with an unfused LoRA of PEFT.

    python benchmarks/lora_time.py [--models sd15 klein] [--rank 16] [--runs 3] [--peers PYTHON]

Draws with the random weights of compare_cpu, without and with a LoRA for the same matrices of
attention and feed-forward networks, in turns and each contestant in its own process. Printed are
the median seconds of a step without and with the LoRA, their difference and their ratio; for
PyTorch also those of a fused LoRA, which adds nothing to a step but takes time to be added to the
weights; and the ratios to PyTorch in f32.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_cpu.added import Added, added_table
from compare_cpu.contestants import measured, run_or_exit
from compare_cpu.job import Job

CONTESTANTS = ("ours f16", "ours q8_0", "diffusers f32", "diffusers bf16")
SIDES = {"sd15": 256, "klein": 512}


def prepare(job: Job, peers: str) -> None:
    """Write the weights of a job, unless they exist."""
    is_ours = job.contestant == "ours lora"
    writer = "weights" if is_ours else "diffusers weights"
    run_or_exit(replace(job, contestant=writer, kind=job.kind if is_ours else ""), peers)


def compare(jobs: list[Job], runs: int, peers: str) -> None:
    """Measure the contestants in turns and print their table."""
    seconds = measured(jobs, runs, peers)
    rows = [
        Added(_title(job), median(each["without"]), median(each["with"]))
        for job, each in seconds.items()
    ]
    rows += [
        Added(f"{_title(job)} fused", median(each["without"]), median(each["fused"]))
        for job, each in seconds.items()
        if "fused" in each
    ]
    print(f"\n{jobs[0].model}, {jobs[0].side} pixels, rank {jobs[0].lora_rank}, {runs} runs\n")
    print(added_table(rows, "diffusers f32"))
    for job, each in seconds.items():
        if "fusing" in each:
            print(f"{_title(job)}: fusing takes {median(each['fusing']):.2f} s", flush=True)


def _title(job: Job) -> str:
    return job.title.replace(" lora", "")


def main() -> None:
    """Measure and print a table for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--models", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3, help="runs of each contestant")
    parser.add_argument("--steps", type=int, default=4, help="steps; the first is a warm-up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=sys.executable, help="Python with diffusers and PEFT")
    options = parser.parse_args()
    for model in options.models:
        settings = Job("", "", model, SIDES[model], options.steps, 1.0, options.threads,
                       str(options.weights), "", lora_rank=options.rank)  # fmt: skip
        jobs = []
        for title in options.only:
            contestant, kind = title.split()
            job = replace(settings, contestant=f"{contestant} lora", kind=kind)
            prepare(job, options.peers)
            jobs.append(job)
        compare(jobs, options.runs, options.peers)


if __name__ == "__main__":
    main()
