"""Train a LoRA that makes the embedded model draw every picture in front of a blue sky.

    python tools/train_demo_lora --engine-source DIR --output sky.safetensors

Needs torch, numpy, pillow, gguf and safetensors. DIR is the source folder of stable-diffusion.cpp,
from which the tokenizer's merge table is read. Training takes some minutes on a CPU. At the end it
draws pictures without and with the LoRA, writes them beside the output, and prints how far their
backgrounds are from sky blue, which is no color of the model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _start() -> None:
    # Spinning threads would halve the speed whenever another program runs. OpenMP reads this
    # variable when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    root = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(root / "tools"), str(root / "tests" / "support")]
    from train_demo_lora.command import main

    main()


if __name__ == "__main__":
    _start()
