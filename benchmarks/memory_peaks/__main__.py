"""Compare the estimated memory of drawings with the memory that they take.

See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpu_peak import gpu_peak, log_allocations
from models import MODELS, SparseModel, write_model

import gpustack_draw
from gpustack_draw.engine import local_engine
from gpustack_draw.engine.pass_memory import device_traits
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.errors import BlankPictureError
from gpustack_draw.memory.estimate import estimate
from gpustack_draw.memory.flash_attention import has_flash_attention
from gpustack_draw.memory.memory_plan import PhaseBytes
from gpustack_draw.memory.work import MemoryChoices, Work
from gpustack_draw.units import round_up

_SIZES = ("64", "128", "256", "512", "768", "1024", "1536", "2048")
_BUFFER = re.compile(r"(\w+) compute buffer size: ([\d.]+) MB")
_ENCODERS = ("clip", "t5", "qwen")
_DECODERS = ("vae", "taesd", "wan_vae")
_MIB = 2**20
# Where files are always in memory. The kernel may drop mapped pages of others, such as those of the
# diffusion network while the VAE decodes, and the measured peak would be lower by them.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108


def local_engine_of(model: gpustack_draw.Model) -> local_engine.LocalEngine:
    """Return the engine of a model on this machine."""
    engine = model._engine  # noqa: SLF001
    assert isinstance(engine, local_engine.LocalEngine)
    return engine


@dataclass(frozen=True)
class Job:
    """A drawing to measure."""

    model: SparseModel
    device: str
    size: tuple[int, int]
    tile: int | None
    threads: int | None

    def estimate(self, model: gpustack_draw.Model) -> PhaseBytes:
        """Return the estimate of the drawing."""
        devices = {device.name: device for device in gpustack_draw.devices()}
        engine = local_engine_of(model)
        multiple = engine.model.family.size_multiple
        width, height = (round_up(side, multiple) for side in self.size)
        device = device_traits(devices[self.device], self.threads)
        flash = has_flash_attention(engine.model.family, device)
        return estimate(
            Work(
                model=engine.model,
                width=width,
                height=height,
                device=device,
                choices=MemoryChoices(vae_tile=self.tile, flash_attention=flash),
            )
        )


def main() -> None:
    """Print a table with a row for each drawing."""
    options = _parse()
    log_allocations()
    if options.reserve is not None:
        _use_core(options.reserve)
    local_engine.check_memory = lambda *_arguments, **_options: None  # draw what does not fit, too
    rows = "{:6} {:8} {:>10} {:>6}  " + ("{:>20} " * 3 if options.reserve else "{:>20}")
    print(rows.format("model", "device", "size", "tile", *_titles(options.reserve is not None)))
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.exists() else None) as folder:
        for name in options.models:
            model = write_model(name, Path(folder))
            for device in options.devices:
                for size in options.sizes:
                    for tile in options.tiles:
                        job = Job(model, device, _size(size), tile or None, options.threads)
                        pairs = _reserve(job) if options.reserve else _draw(job)
                        cells = [f"{ours:.1f}/{real:.1f} {ours / real:.3f}" for ours, real in pairs]
                        print(rows.format(name, device, size, tile or "-", *cells), flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--devices", nargs="+", default=["FastCPU", "CPU"])
    parser.add_argument("--sizes", nargs="+", default=_SIZES, help="such as 512 or 512x768")
    parser.add_argument("--tiles", nargs="+", type=int, default=[0], help="0 for no tiles")
    parser.add_argument("--threads", type=int, help="CPU threads (default: one per core)")
    parser.add_argument("--reserve", type=Path, help="_core that does not compute")
    return parser.parse_args()


def _titles(reserves: bool) -> list[str]:
    return ["text MiB", "sampling MiB", "decoding MiB"] if reserves else ["peak MiB"]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height or width)


def _use_core(path: Path) -> None:
    """Import the compiled engine from another file."""
    name = "gpustack_draw._core"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    vars(gpustack_draw)["_core"] = module


def _load(job: Job, lines: list[str], *, in_process: bool) -> gpustack_draw.Model:
    return gpustack_draw.load(
        job.model.reference,
        device=job.device,
        threads=job.threads,
        in_process=in_process,
        on_log=lambda _level, text: lines.append(text),
        vae_tile_size=job.tile,
        vae_tiling="off" if job.tile is None else "on",
        **job.model.components,
    )


def _generate(model: gpustack_draw.Model, job: Job) -> None:
    with suppress(BlankPictureError):  # weights of zeros draw one color
        model.generate("a cat", size=job.size, sample_steps=1, scheduler="discrete", cfg_scale=1.0)


def _reserve(job: Job) -> list[tuple[float, float]]:
    """Return the estimated and the reserved MiB of the three phases."""
    lines: list[str] = []
    with _load(job, lines, in_process=True) as model:
        needed = job.estimate(model)
        _generate(model, job)
    largest = {"text": 0.0, "sampling": 0.0, "decoding": 0.0}
    for line in lines:
        if (buffer := _BUFFER.search(line)) is not None:
            phase = _phase_of(buffer[1])
            largest[phase] = max(largest[phase], float(buffer[2]))
    return [(getattr(needed, phase) / _MIB, count) for phase, count in largest.items()]


def _phase_of(network: str) -> str:
    if network.startswith(_ENCODERS) and not network.endswith("image"):
        return "text"
    return "decoding" if network in _DECODERS else "sampling"


def _draw(job: Job) -> list[tuple[float, float]]:
    """Return the estimated and the measured peak in MiB, of the engine's process or of a GPU."""
    lines: list[str] = []
    with _load(job, lines, in_process=False) as model:
        needed = job.estimate(model)
        _generate(model, job)
        if job.device.startswith("Vulkan"):
            return [(needed.peak / _MIB, gpu_peak(lines) / _MIB)]
        process = local_engine_of(model)._engine  # noqa: SLF001
        assert isinstance(process, EngineProcess)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    return [(needed.peak / _MIB, int(peak[1]) / 1024)]


main()
