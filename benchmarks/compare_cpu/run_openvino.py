"""OpenVINO with the same networks, converted from PyTorch."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_cpu.inputs import denoiser_inputs, latent, prompt_tokens
from compare_cpu.job import Job, MissingError, Timing
from compare_cpu.sampling import sample, save

if TYPE_CHECKING:
    import numpy as np

BATCH = 2  # of the example inputs; each drawing sets its own shapes
SIDE = 128  # likewise


def run(job: Job) -> Timing:
    """Draw in float32, bfloat16 or int8, in one stream, with static shapes.

    The prompt is encoded, and the picture is saved, only if the job names a file for it.
    """
    import openvino

    core = openvino.Core()
    if job.kind == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise MissingError("OpenVINO supports bf16 only on CPUs that do")
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if job.kind == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": job.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    batch = 1 if job.cfg_scale == 1 else 2
    inputs = list(denoiser_inputs(job.model, job.side, batch))

    def compiled(role: str, arrays: list[np.ndarray]) -> Any:
        path = _path(job, role)
        if not path.exists():
            return None
        network_file = core.read_model(path)
        network_file.reshape(dict(enumerate(list(part.shape) for part in arrays)))
        return core.compile_model(network_file, "CPU", options)

    began = time.perf_counter()
    denoiser = compiled("denoiser", inputs)
    picture_latent = None if job.model == "demo" else latent(job.model, job.side)
    decoder = None if picture_latent is None else compiled("autoencoder", [picture_latent])
    encoder = compiled("encoder", [prompt_tokens(batch)]) if job.output else None
    loaded = time.perf_counter()
    if encoder is not None:
        inputs[2] = encoder([prompt_tokens(batch)])[0]
    seconds = sample(lambda *values: denoiser(list(values))[0], inputs, job.steps, job.cfg_scale)
    decode = None
    if decoder is not None:
        start = time.perf_counter()
        pixels = decoder([picture_latent])[0]
        decode = time.perf_counter() - start
        if job.output:
            save(pixels, job.output)
    return Timing(loaded - began, seconds, decode, f"OpenVINO {openvino.__version__}")


def prepare(job: Job) -> dict[str, str]:
    """Convert the networks, and quantize the denoiser to int8, unless that was done before."""
    from compare_cpu.networks import network, write

    converted = replace(job, kind="f32")
    roles = [role for role in network(job.model).parts if not _path(converted, role).exists()]
    if roles:
        write(job.model, Path(job.weights))
    for role in roles:
        _convert(converted, role)
    if job.kind == "int8" and not _path(job, "denoiser").exists():
        _quantize(job)
    return {}


def _convert(job: Job, role: str) -> None:
    import openvino
    import torch

    from compare_cpu.networks import load

    examples = {
        "denoiser": lambda: denoiser_inputs(job.model, SIDE, BATCH),
        "autoencoder": lambda: (latent(job.model, SIDE),),
        "encoder": lambda: (prompt_tokens(BATCH),),
    }
    (module,) = load(job.model, Path(job.weights), torch.float32, role)
    example = tuple(map(torch.tensor, examples[role]()))
    _save(openvino.convert_model(module, example_input=example), _path(job, role))


def _quantize(job: Job) -> None:
    """Quantize weights and activations of the denoiser with NNCF, on random inputs."""
    import nncf
    import openvino

    source = _path(replace(job, kind="f32"), "denoiser")
    batch = 1 if job.cfg_scale == 1 else 2
    data = [list(denoiser_inputs(job.model, SIDE, batch))]
    quantized = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(data),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(data),
    )
    _save(quantized, _path(job, "denoiser"))


def _save(model: Any, path: Path) -> None:
    import openvino

    partial = path.with_name("partial")
    openvino.save_model(model, partial / path.name, compress_to_fp16=True)
    for file in partial.iterdir():
        file.rename(path.with_name(file.name))
    partial.rmdir()


def _path(job: Job, role: str) -> Path:
    """Return the path of a network; int8 has a denoiser of its own."""
    suffix = "-int8" if job.kind == "int8" and role == "denoiser" else ""
    return Path(job.weights) / f"{job.model}-openvino" / f"{role}{suffix}.xml"
