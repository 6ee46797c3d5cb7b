"""Compare the time of enlarging a picture with that of PyTorch, on the CPU with the same weights.

    python benchmarks/upscale_speed.py [--side 256] [--runs 1] [--threads 2] [--peers PYTHON]

Enlarges a picture of noise 4 times with RealESRGAN_x4plus, whose weights a package on the package
index contains. Both sides take turns, each in a process of its own that has loaded the weights;
PyTorch's has also enlarged a small picture. Printed are the seconds of each, their ratio, and the
difference of the pictures. ``--peers`` names the Python that has PyTorch and NumPy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def run_torch(weights: Path, picture: Path, result: Path, threads: int) -> float:
    """Enlarge a picture with PyTorch; return the seconds."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    with np.load(weights) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}

    def convolve(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, arrays[f"{name}.weight"], arrays[f"{name}.bias"], padding=1)

    def leaky(x: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(x, 0.2, inplace=True)

    def dense_block(prefix: str, x: torch.Tensor) -> torch.Tensor:
        maps = x
        for index in range(1, 5):
            maps = torch.cat([maps, leaky(convolve(f"{prefix}.conv{index}", maps))], dim=1)
        return convolve(f"{prefix}.conv5", maps) * 0.2 + x

    def network(x: torch.Tensor) -> torch.Tensor:
        first = maps = convolve("conv_first", x)
        block = 0
        while f"body.{block}.rdb1.conv1.weight" in arrays:
            start = maps
            for dense in (1, 2, 3):
                maps = dense_block(f"body.{block}.rdb{dense}", maps)
            maps = maps * 0.2 + start
            block += 1
        maps = first + convolve("conv_body", maps)
        for name in ("conv_up1", "conv_up2"):
            maps = leaky(convolve(name, functional.interpolate(maps, scale_factor=2.0)))
        return convolve("conv_last", leaky(convolve("conv_hr", maps)))

    levels = torch.from_numpy(np.load(picture)).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        network(levels[:, :, :32, :32])
        start = time.perf_counter()
        enlarged = network(levels)
        seconds = time.perf_counter() - start
    rounded = (enlarged[0].clamp(0, 1) * 255).round().byte()
    np.save(result, rounded.permute(1, 2, 0).numpy())
    return seconds


def run_ours(weights: Path, picture: Path, result: Path, threads: int) -> float:
    """Enlarge a picture with this package; return the seconds of the phase ``upscale``."""
    from gpustack_draw.engine.process import EngineProcess

    engine = EngineProcess()
    levels = np.load(picture)
    seconds = 0.0

    def record(progress: object) -> None:
        nonlocal seconds
        if progress.phase == "upscale":  # type: ignore[attr-defined]
            seconds = progress.seconds  # type: ignore[attr-defined]

    found = engine.upscale(levels.data, model=str(weights), threads=threads, on_progress=record)
    engine.close()
    shape = (found.height, found.width, 3)
    np.save(result, np.frombuffer(found.pixels, np.uint8).reshape(shape))
    return seconds


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=256, help="side of the picture, in pixels")
    parser.add_argument("--runs", type=int, default=1, help="runs of each side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--torch", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch:
        print(run_torch(*options.torch, options.threads))
        return
    with TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Run both sides and print the table."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from upscaling_models import real_weights, write_weights

    weights = real_weights("realesrgan-x4plus")
    model = write_weights(folder / "RealESRGAN_x4plus.safetensors", weights)
    np.savez(folder / "weights.npz", **weights)
    random = np.random.default_rng(7)
    size = (options.side, options.side, 3)
    np.save(folder / "picture.npy", random.integers(0, 256, size, dtype=np.uint8))
    ours, torch = [], []
    for _ in range(options.runs):
        ours.append(run_ours(model, folder / "picture.npy", folder / "ours.npy", options.threads))
        paths = [str(folder / name) for name in ("weights.npz", "picture.npy", "torch.npy")]
        command = [options.peers, __file__, "--threads", str(options.threads), "--torch", *paths]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(run.stderr)
        torch.append(float(run.stdout))
    large = 4 * options.side
    print(f"{options.side}x{options.side} to {large}x{large}, {options.threads} threads")
    print(f"ours    {median(ours):8.2f} s")
    print(f"PyTorch {median(torch):8.2f} s")
    print(f"ratio   {median(ours) / median(torch):8.3f}")
    pictures = [np.load(folder / f"{name}.npy").astype(int) for name in ("ours", "torch")]
    difference = np.abs(pictures[0] - pictures[1])
    print(f"difference: mean {difference.mean():.4f}, max {difference.max()} of 255 levels")


if __name__ == "__main__":
    main()
