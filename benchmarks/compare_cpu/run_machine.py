"""What the machine itself can do: matrix products, and the work that a step is."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_cpu.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

SECONDS = 1.5
SIDES = (1024, 2048, 4096)
EXTENSIONS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16")
EXTENSIONS += ("amx_bf16", "amx_int8")


def run(job: Job) -> dict[str, Any]:
    """Measure the peaks; count the operations of a step and of a decoding.

    Returns:
        Without a model: ``peaks`` in operations a second by type, and what the ``cpu`` is; with
        one: ``work`` in operations, of a ``step`` and a ``decode``.
    """
    import torch

    torch.set_num_threads(job.threads)
    if job.model:
        return {"work": _work(job)}
    peaks = {"f32": _peak(torch.float32), "bf16": _peak(torch.bfloat16), "int8": _int8_peak()}
    return {"peaks": peaks, "cpu": _cpu(), "torch": torch.__version__}


def _peak(dtype: torch.dtype) -> float:
    import torch

    return max(_rate(lambda a, b: a @ b, torch.randn(side, side).to(dtype), side) for side in SIDES)


def _int8_peak() -> float:
    import torch

    return max(
        _rate(torch._int_mm, torch.randint(-9, 9, (side, side), dtype=torch.int8), side)  # noqa: SLF001
        for side in SIDES
    )


def _rate(product: Callable[..., object], matrix: torch.Tensor, side: int) -> float:
    """The best of some products of a matrix with itself, in operations a second."""
    best, until = float("inf"), time.perf_counter() + SECONDS / len(SIDES)
    product(matrix, matrix)
    while True:
        began = time.perf_counter()
        product(matrix, matrix)
        now = time.perf_counter()
        best = min(best, now - began)
        if now > until:
            return 2 * side**3 / best


def _work(job: Job) -> dict[str, float]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from compare_cpu.networks import Decoder, Denoiser, network

    model = network(job.model)
    work = {}
    with torch.device("meta"):
        kind, options = model.denoiser
        denoiser = Denoiser(kind(**options))
        with FlopCounterMode(display=False) as counter:
            denoiser(*model.inputs(job.side, 1 if job.cfg_scale == 1 else 2))
        work["step"] = float(counter.get_total_flops())
        if model.autoencoder is not None:
            kind, options = model.autoencoder
            decoder = Decoder(kind(**options))
            with FlopCounterMode(display=False) as counter:
                decoder(model.latent(job.side))
            work["decode"] = float(counter.get_total_flops())
    return work


def _cpu() -> dict[str, Any]:
    facts = {"name": platform.processor() or platform.machine(), "extensions": []}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return facts  # only Linux tells more in this way
    pairs = (line.partition(":") for line in lines)
    told = {name.strip(): value.strip() for name, _colon, value in pairs}
    flags = told.get("flags", "").split()
    return {
        "name": told.get("model name", facts["name"]),
        "extensions": [flag for flag in EXTENSIONS if flag in flags],
    }
