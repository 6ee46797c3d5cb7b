"""Measure the time of decoding with the VAE of Stable Diffusion 1.5 and with its tiny decoder.

    python benchmarks/tiny_decoder.py [--side 512] [--runs 3]

Both have random weights, which take as long as real ones. How much the pictures differ, only real
weights can tell. Printed are the medians of the CPU time and of the time of the phase, and the
share of the tiny decoder.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from architectures import Named
from random_gguf import write_random_gguf

from compare_cpu.job import Job
from compare_cpu.weights import prepare
from gpustack_draw import DrawRequest, Progress, load
from gpustack_draw.model import Model

_WIDTH = 64
_BLOCKS = (2, 3, 4, 7, 8, 9, 12, 13, 14, 17)  # the other numbers are layers without weights
_CONVOLUTIONS = {0: (4, _WIDTH), 6: (_WIDTH, _WIDTH), 11: (_WIDTH, _WIDTH), 16: (_WIDTH, _WIDTH),
                 18: (_WIDTH, 3)}  # fmt: skip
_WITHOUT_BIAS = (6, 11, 16)


def taesd_decoder() -> Named:
    """Return the names and shapes of the decoder of TAESD, in the layout of diffusers."""
    sizes = {f"decoder.layers.{layer}": channels for layer, channels in _CONVOLUTIONS.items()}
    for block in _BLOCKS:
        names = (f"decoder.layers.{block}.conv.{number}" for number in (0, 2, 4))
        sizes |= dict.fromkeys(names, (_WIDTH, _WIDTH))
    tensors: Named = {}
    for name, (inputs, outputs) in sizes.items():
        tensors[f"{name}.weight"] = ((3, 3, inputs, outputs), "F16")
        if name not in [f"decoder.layers.{layer}" for layer in _WITHOUT_BIAS]:
            tensors[f"{name}.bias"] = ((outputs,), "F32")
    return tensors


def decode_seconds(model: Model, side: int) -> tuple[float, float]:
    """Return the CPU time and the time of decoding a picture."""
    times: list[tuple[float, float]] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "decode":
            times.append((time.process_time(), time.monotonic()))

    request = DrawRequest(prompt="a cat", size=(side, side), sample_steps=1, cfg_scale=1, seed=1)
    next(model.draw(request, on_progress))
    return times[-1][0] - times[0][0], times[-1][1] - times[0][1]


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    file = prepare(Job("", "f16", "sd15", options.side, 1, 1.0, 0, str(options.weights), ""))[
        "file"
    ]
    tiny = write_random_gguf(options.weights / "taesd.gguf", taesd_decoder())
    seconds = {}
    for title, decoder in (("VAE", None), ("tiny decoder", tiny)):
        with load(file, taesd=decoder, in_process=True) as model:
            runs = [decode_seconds(model, options.side) for _ in range(options.runs)]
        seconds[title] = tuple(median(run[kind] for run in runs) for kind in (0, 1))
    print(f"decoding {options.side}x{options.side}")
    for title, (cpu, wall) in seconds.items():
        share = cpu / seconds["VAE"][0]
        print(f"{title:14}{cpu:8.2f} s of CPU time {wall:8.2f} s {share:8.3f}")


if __name__ == "__main__":
    main()
