"""Train the embedded model `demo` and write its file for the package.

    python tools/train_demo_model --engine-source DIR --output demo.gguf --minutes 95

Needs torch, numpy, pillow and gguf. With a C++ compiler, training on a CPU is twice as fast. DIR
is the source folder of stable-diffusion.cpp, from which the tokenizer's merge table is read. The
script generates all training data.

The autoencoder is fitted first (--decoder-minutes), then the transformer is trained for
text-to-image. After that a network learns to name what pictures show (--scene-minutes), the first
blocks learn the captions of edited pictures (--caption-minutes), and the others learn to draw them
(--edit-minutes). With --start FILE, training begins with the weights of that model file. The work
folder (--work, by default OUTPUT with ".work" appended) contains checkpoints: the same command
continues an interrupted training, and a larger number of minutes continues a finished one. Exports
are written there every --export-minutes with contact sheets; the last one becomes the output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _start() -> None:
    # Spinning threads would halve the speed whenever another program runs. OpenMP reads this
    # variable when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from train_demo_model.command import main

    main()


if __name__ == "__main__":
    _start()
