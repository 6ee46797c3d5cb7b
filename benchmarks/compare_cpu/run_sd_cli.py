"""The engine's command, sd-cli."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from compare_cpu.job import PROMPT, SEED, Job, MissingError, Timing
from compare_cpu.steps import logged_seconds, step_seconds
from compare_cpu.weights import model_file


def run(job: Job) -> Timing:
    """Draw a picture and parse the log."""
    if not Path(job.sd_cli).is_file():
        raise MissingError(f"no sd-cli at {job.sd_cli}")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command(job, Path(folder) / "picture.png"), "-v"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    log = done.stdout.replace("\r", "\n")
    if done.returncode != 0:
        last = (log.strip().splitlines() or [""])[-1]
        raise RuntimeError(f"sd-cli ended with {done.returncode}: {last}")
    return Timing(
        logged_seconds(log, "loading tensors"),
        step_seconds(log),
        logged_seconds(log, "decode_first_stage"),
    )


def command(job: Job, picture: Path) -> list[str]:
    """Return the command that draws a picture and saves it to a file."""
    reference = str(model_file(Path(job.weights), job.model, job.kind))
    tiny = ["--taesd", reference] if job.model == "demo" else []
    return [
        *(job.sd_cli, "-m", reference, *tiny, "-p", PROMPT, "-o", str(picture)),
        *("-W", str(job.side), "-H", str(job.side), "-s", str(SEED)),
        *("--steps", str(job.steps), "--cfg-scale", str(job.cfg_scale)),
        *("--sampling-method", "euler", "-t", str(job.threads)),
    ]
