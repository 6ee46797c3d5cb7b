"""Trains the embedded model `demo` and writes the file that ships with the package.

    python tools/train_demo_model --engine-source DIR --output demo.gguf --minutes 95

Needs torch, numpy, pillow and gguf (from the package index), and a C++ compiler, if there is
one, to train twice as fast on a CPU. DIR is the source folder of stable-diffusion.cpp: the
tokenizer's merges table is read from it. All data is drawn by the script itself.

The autoencoder is fitted first (--decoder-minutes), then the transformer is trained. The work
folder (--work, by default OUTPUT with ".work" added) keeps checkpoints: the same command
continues an interrupted training, and a larger --minutes trains a finished one further.
Exports are written there every --export-minutes with a contact sheet; the last one becomes
the output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _start() -> None:
    # Waiting threads that spin would halve the speed whenever another program runs; this has
    # to be said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from train_demo_model.command import main

    main()


if __name__ == "__main__":
    _start()
