"""Measure the time that pictures of one prompt save because it is encoded once.

    python benchmarks/encode_once.py [--count 8] [--layers 24] [--threads 2]

Draws with a FLUX-like model of random weights whose text encoder is T5-XXL, in Q4_0 with as many
layers as there is memory for (24 take 2.7 GB), and a denoiser of one step that takes no time beside
it. Printed are the seconds of encoding for each picture of one prompt, then of different prompts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from architectures import CLIP_L, flux1, t5, vae
from random_model_files import weights, write_gguf

import gpustack_draw
from gpustack_draw import DrawRequest


def write_model(folder: Path, layers: int) -> dict[str, Path]:
    """Write the files of the model; return them by component."""
    tensors = {
        "model": flux1(256, 1, 1),
        "clip_l": CLIP_L,
        "t5xxl": t5(4096, layers, 10_240),
        "vae": vae(32),
    }
    return {
        name: write_gguf(folder / f"{name}.gguf", weights(each)) for name, each in tensors.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    request = DrawRequest(prompt="a cat", size=(64, 64), sample_steps=1, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        files = write_model(Path(folder), options.layers)
        with gpustack_draw.load(files.pop("model"), threads=options.threads, **files) as model:
            for _ in model.draw(request):  # which also reads the weights for the first time
                pass
            for title, requests in (
                ("one prompt", [replace(request, prompt="a dog", count=options.count)]),
                ("prompts", [replace(request, prompt=f"dog {n}") for n in range(options.count)]),
            ):
                pictures = [picture for each in requests for picture in model.draw(each)]
                seconds = [picture.seconds["encode"] for picture in pictures]
                print(f"{title:12}{sum(seconds):8.2f} s:", *(f"{each:.2f}" for each in seconds))


if __name__ == "__main__":
    main()
