"""PyTorch with the networks of diffusers."""

from __future__ import annotations

import time
from pathlib import Path

from compare_cpu.job import Job, Timing
from compare_cpu.sampling import sample


def run(job: Job) -> Timing:
    """Draw in float32 or bfloat16, in channels-last order, which is faster."""
    import torch

    from compare_cpu.networks import load, network

    torch.set_num_threads(job.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job.kind]
    began = time.perf_counter()
    denoiser, decoder = load(job.model, Path(job.weights), dtype)
    for module in (denoiser, decoder):
        if module is not None:
            module.to(memory_format=torch.channels_last)
    loaded = time.perf_counter()
    model = network(job.model)
    batch = 1 if job.cfg_scale == 1 else 2
    with torch.inference_mode():
        # As in diffusers' pipelines, positions are integers and stay exact.
        inputs = [part.to(dtype) for part in model.inputs(job.side, batch, job.references)]
        seconds = sample(denoiser, inputs, job.steps, job.cfg_scale)
        decode = None
        if decoder is not None:
            latent = model.latent(job.side).to(dtype)
            start = time.perf_counter()
            decoder(latent)
            decode = time.perf_counter() - start
    return Timing(loaded - began, seconds, decode, f"torch {torch.__version__}")


def prepare(job: Job) -> dict[str, str]:
    """Write the weights."""
    from compare_cpu.networks import write

    write(job.model, Path(job.weights))
    return {}
