"""OpenVINO with the same networks, converted from PyTorch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_cpu.job import Job, MissingError, Timing
from compare_cpu.sampling import sample

if TYPE_CHECKING:
    import numpy as np

BATCH = 2  # of the example inputs; each drawing sets its own shapes


def run(job: Job) -> Timing:
    """Draw in float32 or bfloat16, in one stream, with static shapes."""
    import openvino

    from compare_cpu.networks import network

    core = openvino.Core()
    if job.kind == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise MissingError("OpenVINO supports bf16 only on CPUs that do")
    options = {
        "INFERENCE_PRECISION_HINT": job.kind,
        "INFERENCE_NUM_THREADS": job.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    folder, model = Path(job.weights), network(job.model)
    batch = 1 if job.cfg_scale == 1 else 2
    inputs = [part.numpy() for part in model.inputs(job.side, batch)]
    latent = None if model.autoencoder is None else model.latent(job.side).numpy()

    def compiled(role: str, arrays: list[np.ndarray]) -> Any:
        network_file = core.read_model(_path(folder, job.model, role))
        network_file.reshape(dict(enumerate(list(part.shape) for part in arrays)))
        return core.compile_model(network_file, "CPU", options)

    began = time.perf_counter()
    denoiser = compiled("denoiser", inputs)
    decoder = None if latent is None else compiled("autoencoder", [latent])
    loaded = time.perf_counter()
    seconds = sample(lambda *values: denoiser(list(values))[0], inputs, job.steps, job.cfg_scale)
    decode = None
    if decoder is not None:
        start = time.perf_counter()
        decoder([latent])
        decode = time.perf_counter() - start
    return Timing(loaded - began, seconds, decode, f"OpenVINO {openvino.__version__}")


def prepare(job: Job) -> dict[str, str]:
    """Convert the networks, unless that was done before."""
    import openvino
    import torch

    from compare_cpu.networks import load, network, write

    folder, model = Path(job.weights), network(job.model)
    done = _path(folder, job.model, "denoiser").parent
    if done.exists():
        return {}
    write(job.model, folder)
    denoiser, decoder = load(job.model, folder, torch.float32)
    parts = [("denoiser", denoiser, model.inputs(128, BATCH))]
    if decoder is not None:
        parts.append(("autoencoder", decoder, (model.latent(128),)))
    partial = done.with_name(f"{done.name}.partial")
    for role, module, example in parts:
        converted = openvino.convert_model(module, example_input=example)
        openvino.save_model(converted, partial / f"{role}.xml", compress_to_fp16=True)
    partial.rename(done)
    return {}


def _path(folder: Path, name: str, role: str) -> Path:
    return folder / f"{name}-openvino" / f"{role}.xml"
