"""This package, called through its library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from compare_cpu.job import PROMPT, SEED, Job, Timing
from compare_cpu.steps import differences
from compare_cpu.weights import model_file

if TYPE_CHECKING:
    import numpy as np

    from gpustack_draw import Progress


def run(job: Job) -> Timing:
    """Draw a picture; ``plain`` uses ggml's CPU device."""
    import gpustack_draw

    ends: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "sample" and progress.step > len(ends):
            ends.append(progress.seconds)

    request = gpustack_draw.DrawRequest(
        prompt=PROMPT,
        size=(job.side, job.side),
        sample_steps=job.steps,
        cfg_scale=job.cfg_scale,
        seed=SEED,
        pictures=gpustack_draw.PictureOptions(ref_image=_references(job)),
    )
    device = "CPU" if job.contestant == "plain" else "auto"
    reference = str(model_file(Path(job.weights), job.model, job.kind))
    with gpustack_draw.load(reference, threads=job.threads, device=device) as model:
        picture = next(model.draw(request, on_progress))
    seconds = picture.seconds
    return Timing(seconds["load"], differences(ends), seconds["decode"], picture.device)


def command(job: Job, picture: Path) -> list[str]:
    """Return the command that draws a picture and saves it to a file."""
    reference = model_file(Path(job.weights), job.model, job.kind)
    return [
        *(sys.executable, "-m", "gpustack_draw", str(reference), PROMPT, "--seed", str(SEED)),
        *("--size", f"{job.side}x{job.side}", "--sample-steps", str(job.steps)),
        *("--cfg-scale", str(job.cfg_scale), "--sampler", "euler", "--quiet"),
        *("--threads", str(job.threads), "--output", str(picture)),
    ]


def _references(job: Job) -> list[np.ndarray]:
    import numpy as np

    rng = np.random.default_rng(SEED)
    shape = (job.side, job.side, 3)
    return [rng.integers(0, 256, shape, np.uint8) for _ in range(job.references)]
