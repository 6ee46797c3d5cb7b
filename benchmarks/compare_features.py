"""Measure what a feature adds to a drawing, beside PyTorch with the networks of diffusers.

    python benchmarks/compare_features.py [--features image control tiles] [--peers PYTHON]

Both sides draw with Stable Diffusion 1.5 and random weights, without and with the feature, in turns
and each in its own process. Printed are medians, the added seconds, and the ratios to PyTorch:

- image: four steps of a picture that starts from another one, with its encoding and decoding,
  beside those of a picture from noise;
- control: a step with a ControlNet;
- tiles: decoding 512x512 pixels in tiles of 256. Tiles of this package overlap by a half and those
  of diffusers by a quarter, so that it decodes 9 full tiles and they 4 full ones and 5 parts.

References and LoRAs have scripts of their own: reference_time.py and lora_time.py.
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

FEATURES = {"image": 256, "control": 256, "tiles": 512}
WRITERS = (
    *(("weights", "f16"), ("weights", "q8_0")),
    *(("diffusers weights", ""), ("feature weights", "")),
)
CONTESTANTS = ("ours f16", "ours q8_0", "diffusers f32")


def compare(jobs: list[Job], runs: int, peers: str) -> None:
    """Measure a feature and print its table."""
    seconds = measured(jobs, runs, peers)
    rows = [
        Added(job.title.replace(" feature", ""), median(each["without"]), median(each["with"]))
        for job, each in seconds.items()
    ]
    print(f"\n{jobs[0].feature}, {jobs[0].model}, {jobs[0].side} pixels, {runs} runs\n")
    print(added_table(rows, "diffusers f32"), flush=True)


def main() -> None:
    """Measure and print a table for each feature."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES))
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--runs", type=int, default=2, help="runs of each contestant")
    parser.add_argument("--steps", type=int, default=4, help="steps of a picture")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=sys.executable, help="Python with diffusers")
    options = parser.parse_args()
    settings = Job("", "", "sd15", 0, options.steps, 7.0, options.threads, str(options.weights), "")
    for writer, kind in WRITERS:
        run_or_exit(replace(settings, contestant=writer, kind=kind), options.peers)
    for feature in options.features:
        settings = replace(settings, feature=feature, side=FEATURES[feature])
        jobs = []
        for title in options.only:
            contestant, kind = title.split()
            jobs.append(replace(settings, contestant=f"{contestant} feature", kind=kind))
        compare(jobs, options.runs, options.peers)


if __name__ == "__main__":
    main()
