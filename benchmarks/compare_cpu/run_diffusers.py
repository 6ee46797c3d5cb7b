"""PyTorch with the networks of diffusers."""

from __future__ import annotations

import time
from pathlib import Path

from compare_cpu.job import Job, Timing
from compare_cpu.sampling import sample, save


def run(job: Job) -> Timing:
    """Draw in float32 or bfloat16, in channels-last order, which is faster.

    The prompt is encoded, and the picture is saved, only if the job names a file for it.
    """
    import torch

    from compare_cpu.inputs import prompt_tokens
    from compare_cpu.networks import load, network

    torch.set_num_threads(job.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job.kind]
    roles = ("denoiser", "autoencoder", *(["encoder"] if job.output else []))
    began = time.perf_counter()
    denoiser, decoder, *encoders = load(job.model, Path(job.weights), dtype, *roles)
    for module in (denoiser, decoder):
        if module is not None:
            module.to(memory_format=torch.channels_last)
    loaded = time.perf_counter()
    model = network(job.model)
    batch = 1 if job.cfg_scale == 1 else 2
    with torch.inference_mode():
        # As in diffusers' pipelines, positions are integers and stay exact.
        inputs = [part.to(dtype) for part in model.inputs(job.side, batch, job.references)]
        for encoder in encoders:
            if encoder is not None:
                inputs[2] = encoder(torch.tensor(prompt_tokens(batch)))
        seconds = sample(denoiser, inputs, job.steps, job.cfg_scale)
        decode = None
        if decoder is not None:
            latent = model.latent(job.side).to(dtype)
            start = time.perf_counter()
            pixels = decoder(latent)
            decode = time.perf_counter() - start
            if job.output:
                save(pixels.float().numpy(), job.output)
    return Timing(loaded - began, seconds, decode, f"torch {torch.__version__}")


def prepare(job: Job) -> dict[str, str]:
    """Write the weights."""
    from compare_cpu.networks import write

    write(job.model, Path(job.weights))
    return {}
