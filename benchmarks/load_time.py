"""Measure the time of loading a model, beside the time of reading its file with ``cat``.

    python benchmarks/load_time.py [--runs 5] [--cold] [--file FILE]

The model has the blocks of FLUX.2 klein in Q8_0, 2 GB with random weights. Each run starts a new
process for the engine. Printed are medians: of the whole call of ``load()``, and of its phase that
loads the weights. ``--cold`` drops the page cache before each run, which needs root.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from architectures import Named, klein, vae
from model_files import prefixed
from random_gguf import write_random_gguf

import gpustack_draw
from gpustack_draw import Progress

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def model() -> Named:
    """Return the tensors of a klein model with 2 double and 8 single blocks."""
    words = 128
    return {
        **prefixed("model.diffusion_model.", klein(3072, 2, 8, context=words, weight_type="Q8_0")),
        # A text encoder without layers.
        "text_encoders.llm.model.embed_tokens.weight": ((words, 151_669), "F16"),
        "text_encoders.llm.model.norm.weight": ((words,), "F32"),
        **prefixed("first_stage_model.", vae(latent=32, quant=True)),
    }


def cat_seconds(path: Path) -> float:
    """Return the seconds of reading a file."""
    began = time.perf_counter()
    subprocess.run(["/bin/cat", path], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def load_seconds(path: Path) -> tuple[float, float]:
    """Return the seconds of loading a model in a new process, and of its weights."""
    times: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "load":
            times.append(time.perf_counter())

    with gpustack_draw.load(path) as loaded:
        began = time.perf_counter()
        loaded.load(on_progress=on_progress)
        ended = time.perf_counter()
    return ended - began, ended - times[0]


def measure(path: Path, runs: int, *, cold: bool) -> None:
    """Take turns in loading and reading the file, and print the medians."""
    times: dict[str, list[float]] = {"cat": [], "load()": [], "weights": []}
    for _ in range(runs):
        for name in ("cat", "load"):
            if cold:
                os.sync()
                _DROP_CACHES.write_text("3")
            else:
                cat_seconds(path)
            if name == "cat":
                times["cat"].append(cat_seconds(path))
            else:
                whole, weights = load_seconds(path)
                times["load()"].append(whole)
                times["weights"].append(weights)
    gigabytes = path.stat().st_size / 1e9
    reading = median(times["cat"])
    print(f"{gigabytes:.2f} GB, {'cold' if cold else 'warm'} page cache, medians of {runs} runs")
    for name, seconds in times.items():
        value = median(seconds)
        per_gigabyte = f"{value / gigabytes:6.2f} s/GB"
        print(f"{name:8} {value:6.2f} s {per_gigabyte} {value / reading:6.2f} of cat")


def main() -> None:
    """Measure loading."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="drop the page cache before each run")
    parser.add_argument("--file", type=Path, help="another model")
    options = parser.parse_args()
    # Installed packages have compiled modules; compiling them takes longer than starting a process.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or write_random_gguf(Path(folder) / "klein-q8_0.gguf", model())
        measure(path, options.runs, cold=options.cold)


if __name__ == "__main__":
    main()
