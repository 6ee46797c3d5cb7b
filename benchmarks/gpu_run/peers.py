"""The same networks in PyTorch: bfloat16, channels last, compiled."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpu_run.job import Job

if TYPE_CHECKING:
    import torch

_RUNS = 10
_SIDES = {"sd15": 512, "klein": 1024}
_BATCH = {"sd15": 2, "klein": 1}  # with guidance, one evaluation with the prompt and one without


def timing(job: Job, name: str) -> dict[str, float | str]:
    """Return the seconds of a step and of decoding, eager and compiled."""
    import torch

    from compare_cpu.networks import network

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = network("demo" if job.tiny else name)
    side = 64 if job.tiny else _SIDES[name]
    values: dict[str, float | str] = {"device": device, "torch": torch.__version__}
    with torch.inference_mode(), torch.device(device):
        inputs = [part.to(torch.bfloat16) for part in model.inputs(side, _BATCH[name])]
        denoiser = _module(model.denoiser)
        values |= _measured("step", lambda: denoiser(*inputs), denoiser.compile, job)
        if model.autoencoder is not None:
            vae = _module(model.autoencoder)
            latent = model.latent(side).to(torch.bfloat16)
            decoder = vae.decoder
            values |= _measured("decode", lambda: decoder(latent), decoder.compile, job)
    if device == "cuda":
        values["used GB"] = torch.cuda.max_memory_allocated() / 1e9
    return values


def _module(part: tuple[type, dict[str, object]]) -> torch.nn.Module:
    """Return a network with random weights, in bfloat16."""
    import torch

    from compare_cpu.networks import Denoiser

    kind, options = part
    module = kind(**options).to(torch.bfloat16).to(memory_format=torch.channels_last).eval()
    return module if hasattr(module, "decoder") else Denoiser(module).eval()


def _measured(
    what: str, compute: Callable[[], object], compile_it: Callable[[], object], job: Job
) -> dict[str, float | str]:
    """Return the seconds of a computation before and after compiling it."""
    eager = _seconds(compute, job)
    compile_it()
    began = time.perf_counter()
    compute()
    compiling = time.perf_counter() - began
    return {
        f"{what} s": _seconds(compute, job),
        f"{what} eager s": eager,
        f"{what} compiling s": compiling,
    }


def _seconds(compute: Callable[[], object], job: Job) -> float:
    """Return the median seconds of some calls, after one that does not count."""
    import torch

    times = []
    for _ in range(2 if job.tiny else 1 + _RUNS):
        began = time.perf_counter()
        compute()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])
