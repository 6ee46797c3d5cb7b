"""Peak rates of the machine's matrix products, and the operations of a step."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_cpu.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Product = Callable[[torch.Tensor, torch.Tensor], object]

SECONDS = 0.5
SIDES = (1024, 2048, 4096)
EXTENSIONS = (
    *("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_bf16", "amx_int8"),
)


def run(job: Job) -> dict[str, Any]:
    """Measure the peaks, or count the operations of a step and of decoding.

    Returns:
        Without a model: ``peaks`` in operations per second by type, and facts about the ``cpu``.
        With one: ``work``, the operations of a ``step`` and a ``decode``.
    """
    import torch

    torch.set_num_threads(job.threads)
    if job.model:
        return {"work": _work(job)}
    return {"peaks": _peaks(), "cpu": _cpu(), "torch": torch.__version__}


def _peaks() -> dict[str, float]:
    import torch

    def squares(dtype: torch.dtype) -> Callable[[int], torch.Tensor]:
        if dtype == torch.int8:
            return lambda side: torch.randint(-9, 9, (side, side), dtype=dtype)
        return lambda side: torch.randn(side, side).to(dtype)

    peaks = {}
    products = {"f32": (torch.float32, torch.mm), "bf16": (torch.bfloat16, torch.mm)}
    products["int8"] = (torch.int8, torch._int_mm)  # noqa: SLF001 - the only one on CPUs
    for name, (dtype, product) in products.items():
        with suppress(RuntimeError):  # machines lack products of some types
            peaks[name] = _peak(product, squares(dtype))
    return peaks


def _peak(product: Product, square: Callable[[int], torch.Tensor]) -> float:
    """Return the best rate of matrix products, in operations per second."""
    best = 0.0
    for side in SIDES:
        matrix = square(side)
        product(matrix, matrix)
        until = time.perf_counter() + SECONDS
        while (began := time.perf_counter()) < until:
            product(matrix, matrix)
            seconds = time.perf_counter() - began
            best = max(best, 2 * side**3 / seconds)
        if seconds > SECONDS:
            break  # the type is emulated; larger products would take minutes
    return best


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
        return facts  # not Linux
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip(): value.strip() for name, _colon, value in pairs}
    flags = fields.get("flags", "").split()
    return {
        "name": fields.get("model name", facts["name"]),
        "extensions": [flag for flag in EXTENSIONS if flag in flags],
    }
