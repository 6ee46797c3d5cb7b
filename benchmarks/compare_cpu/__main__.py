"""Drawing on a CPU side by side: this package, the engine alone, PyTorch and OpenVINO.

    python benchmarks/compare_cpu --output results.json [--peers PYTHON] [--sd-cli FILE]

Real architectures with random weights, the same sizes, steps and cfg for all. The runs are
interleaved, each in a process of its own: what the machine does meanwhile hits all alike, and
medians are compared. Printed are the seconds of a step, of the decoding and of the loading, the
peak of memory, and the share of the machine's own matrix peak, measured in the same run. The
output holds every number; `plot.py` makes the figure of docs/performance.md from it.

PYTHON is that of an environment with torch, diffusers, transformers, accelerate, openvino, gguf
and safetensors (default: the one that runs this). FILE is the engine's own command (default: the
one in build/sd-cli). What is not installed is said and left out. Weights are written once, to
--weights. benchmarks/README.md has the commands in full.
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
