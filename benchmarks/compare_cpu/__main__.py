"""Compare drawing on a CPU: this package, the engine alone, PyTorch and OpenVINO.

    python benchmarks/compare_cpu --output results.json [--peers PYTHON] [--sd-cli FILE]

Real architectures with random weights; the same sizes, steps and cfg for all. The runs are
interleaved, each in its own process, so that disturbances affect all contestants alike. Printed
are medians: the seconds of a step, of decoding and of loading, the peak memory, and the share of
the machine's matrix peak, measured in the same call. The output file contains every measurement;
`plot.py` makes the figure of docs/performance.md from it.

PYTHON belongs to an environment with torch, diffusers, transformers, accelerate, openvino, gguf
and safetensors (default: the running Python). FILE is the engine's command (default: the one in
build/sd-cli). Contestants that are not installed are skipped with a message. Weights are written
once, to --weights. benchmarks/README.md describes everything.
"""

from __future__ import annotations

import sys
from pathlib import Path


def _start() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    if sys.argv[1:2] == ["--run"]:
        from compare_cpu.contestants import run_here

        run_here(sys.argv[2])
    else:
        from compare_cpu.command import main

        main()


if __name__ == "__main__":
    _start()
