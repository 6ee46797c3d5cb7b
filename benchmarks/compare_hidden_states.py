"""Compare the hidden states of the text encoder with those of transformers.

    python benchmarks/compare_hidden_states.py [--model sd21] [--weights FOLDER]

The prompts, the embeddings and the random weights are those of benchmarks/compare_prompts.py. Both
sides compute in f32. The library's text encoder is built as a Python module on the first run
(benchmarks/hidden_states.cpp), with this package's CPU backend and handling of prompts. Needs what
compare_prompts.py needs, and what a build of this package needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from build_tools import SOURCE
from sanitized_python import build_extension

import gpustack_draw
from compare_cpu.job import Job
from compare_cpu.weights import prepare
from compare_pictures import CFG_SCALE, GENERATIONS, Generation, load_text_encoder
from compare_prompts import CASES, PromptCase, encode, write_embeddings
from gpustack_draw.engine.embedding_files import EmbeddingFiles
from gpustack_draw.resolver.choose_prompts import parsed_prompts


def build() -> ModuleType:
    """Build the module hidden_states, which takes minutes the first time, and import it."""
    path = build_extension(SOURCE, "hidden_states", "hidden-states", SKBUILD_PROJECT_VERSION="0")
    sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.name.partition(".")[0])


def our_states(
    module: ModuleType, file: Path, case: PromptCase, width: int, device: str, threads: int
) -> torch.Tensor:
    """Return the hidden states of a prompt, (1, 77 for each chunk, width), from this package."""
    with tempfile.TemporaryDirectory() as folder:
        embeddings = write_embeddings(Path(folder), case, width)
        with gpustack_draw.load(str(file), embeddings=embeddings) as model:
            resolved = model.resolved
        assert resolved is not None
        written = EmbeddingFiles()
        written.write(resolved.embeddings)
        encoder = module.TextEncoder(str(file), written.paths, device, threads)
        names = [embedding.name for embedding in resolved.embeddings]
        request = gpustack_draw.DrawRequest(prompt=case.prompt)
        states = encoder.encode(parsed_prompts(request, resolved.family, names)["prompt"])
        written.remove()
    return torch.from_numpy(np.array(states)).reshape(1, -1, width)


def main() -> None:
    """Encode the prompts and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=GENERATIONS, default="sd15")
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--device", default="FastCPU", help="FastCPU, or CPU for ggml's code")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ.setdefault("GPUSTACK_DRAW_CPU", "avx2")  # others multiply in bf16
    generation: Generation = GENERATIONS[options.model]
    folder = str(options.weights)
    job = Job("ours", "f16", generation.name, 64, 1, CFG_SCALE, options.threads, folder, "")
    file = Path(prepare(job)["file"])
    module = build()
    encoder = load_text_encoder(load_file(file), generation)
    print(f"{'prompt':24}{'vectors':>8}{'max':>9}{'relative':>9}{'effect':>9}")
    first = None
    for case in CASES:
        with torch.inference_mode():
            theirs = encode(encoder, case, generation)
        ours = our_states(
            module, file, case, generation.text_width, options.device, options.threads
        )
        first = ours if first is None else first
        shown = (
            (ours - theirs).abs().max(),
            (ours - theirs).norm() / theirs.norm(),
            (ours[:, : first.shape[1]] - first).norm() / first.norm(),
        )
        numbers = "".join(f"{float(number):9.1e}" for number in shown)
        print(f"{case.prompt:24}{case.vectors:8}{numbers}", flush=True)


if __name__ == "__main__":
    main()
