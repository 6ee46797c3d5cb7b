"""The Python binding stable-diffusion-cpp-python."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from compare_cpu.job import PROMPT, SEED, Job, MissingError, Timing
from compare_cpu.steps import differences
from compare_cpu.weights import model_file


def run(job: Job) -> Timing:
    """Draw a picture; the time after the last step counts as decoding."""
    try:
        from stable_diffusion_cpp import StableDiffusion
    except ModuleNotFoundError as error:
        raise MissingError("stable-diffusion-cpp-python is not installed") from error
    reference = str(model_file(Path(job.weights), job.model, job.kind))
    tiny: dict[str, Any] = {"taesd_path": reference} if job.model == "demo" else {}
    ends: list[float] = []

    def on_progress(step: int, _steps: int, _seconds: float) -> None:
        # Step 0 is the start of sampling.
        ends[:] = [*ends[:step], time.perf_counter()]

    began = time.perf_counter()
    engine = StableDiffusion(
        model_path=reference, n_threads=job.threads, vae_decode_only=True, **tiny
    )
    loaded = time.perf_counter()
    engine.generate_image(
        prompt=PROMPT,
        width=job.side,
        height=job.side,
        sample_steps=job.steps,
        cfg_scale=job.cfg_scale,
        sample_method="euler",
        seed=SEED,
        progress_callback=on_progress,
    )
    drawn = time.perf_counter()
    start, *steps = ends
    return Timing(loaded - began, differences([end - start for end in steps]), drawn - ends[-1])
