"""Compare weights, BREAK and embeddings in prompts with transformers and diffusers.

    python benchmarks/compare_prompts.py [--model sd21] [--weights FOLDER]

Both sides draw with the same random weights of Stable Diffusion, in f32, from the same picture
and noise, as benchmarks/compare_pictures.py does. The peer's text encoder gets tokens, with an
embedding as more rows of its table; its hidden states are weighted as AUTOMATIC1111's web UI does.
Needs torch, diffusers and transformers beside this package.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gpustack_draw
from compare_cpu.job import Job
from compare_cpu.weights import prepare
from compare_pictures import (
    CFG_SCALE,
    GENERATIONS,
    SEED,
    WORDS,
    Case,
    Generation,
    Peer,
    input_picture,
    load_text_encoder,
    tokens_of,
)

A, CAT, DOG, COMMA = 320, 2368, 1929, 267  # words of CLIP
VOCABULARY = 49_408
CASE = Case("euler", "simple", "trailing", 1.0)

Words = list[tuple[int, float]]  # tokens with their weights


@dataclass(frozen=True)
class PromptCase:
    """A prompt, and its tokens in chunks.

    Attributes:
        prompt: The prompt as typed.
        chunks: Tokens and weights of each chunk.
        vectors: Vectors of the embedding ``my-style``; 0 without it.
    """

    prompt: str
    chunks: list[Words]
    vectors: int = 0


def plain(*tokens: int) -> Words:
    """Return tokens of weight 1."""
    return [(token, 1.0) for token in tokens]


CASES = [
    PromptCase("a cat", [plain(A, CAT)]),
    PromptCase("a (cat:1.5)", [[(A, 1.0), (CAT, 1.5)]]),
    PromptCase("[a] ((cat))", [[(A, 1 / 1.1), (CAT, 1.21)]]),
    PromptCase("a (cat:-0.5)", [[(A, 1.0), (CAT, -0.5)]]),
    PromptCase("a cat BREAK a dog", [plain(A, CAT), plain(A, DOG)]),
    PromptCase("a My-Style cat", [plain(A, VOCABULARY, CAT)], 1),
    PromptCase("a cat, my-style", [plain(A, CAT, COMMA, VOCABULARY, VOCABULARY + 1)], 2),
    PromptCase(
        "a (my-style:1.3) cat",
        [[(A, 1.0), *((VOCABULARY + row, 1.3) for row in range(8)), (CAT, 1.0)]],
        8,
    ),
]


def vectors_of(count: int, width: int) -> torch.Tensor:
    """Return the vectors of an embedding, (count, width) float32, which a file stores in f16."""
    generator = torch.Generator().manual_seed(count)
    return (torch.randn(count, width, generator=generator) * 0.02).half().float()


def encode(encoder: CLIPTextModel, case: PromptCase, generation: Generation) -> torch.Tensor:
    """Return the weighted hidden states of a prompt, (1, 77 for each chunk, width)."""
    table = encoder.get_input_embeddings()
    width = generation.text_width
    whole = torch.nn.Embedding(VOCABULARY + case.vectors, width)
    whole.weight.data = torch.cat([table.weight.data, vectors_of(case.vectors, width)])
    encoder.set_input_embeddings(whole)
    try:
        chunks = [_encode_chunk(encoder, words, generation) for words in case.chunks]
        return torch.cat(chunks, dim=1)
    finally:
        encoder.set_input_embeddings(table)


def _encode_chunk(encoder: CLIPTextModel, words: Words, generation: Generation) -> torch.Tensor:
    tokens = tokens_of([token for token, _weight in words], generation)
    padding = WORDS - 1 - len(words)
    weights = [1.0, *(weight for _token, weight in words), *[1.0] * padding]
    hidden = encoder(torch.tensor([tokens]))[0]
    weighted = hidden * torch.tensor(weights)[None, :, None]
    return weighted * (hidden.mean() / weighted.mean())


def write_embeddings(folder: Path, case: PromptCase, width: int) -> list[Path]:
    """Write the embedding of a prompt, if it has one, and return its file."""
    if not case.vectors:
        return []
    path = folder / "my-style.safetensors"
    save_file({"emb_params": vectors_of(case.vectors, width).half()}, path)
    return [path]


def draw_ours(
    file: Path, case: PromptCase, width: int, side: int, steps: int, threads: int
) -> np.ndarray:
    """Draw a prompt with this package; ``width`` is that of the text encoder."""
    with tempfile.TemporaryDirectory() as folder:
        embeddings = write_embeddings(Path(folder), case, width)
        with gpustack_draw.load(str(file), threads=threads, embeddings=embeddings) as model:
            drawn = model.generate(
                case.prompt, image=input_picture(side), strength=CASE.strength, size=(side, side),
                seed=SEED, sampler=CASE.sampler, scheduler=CASE.scheduler, sample_steps=steps,
                cfg_scale=CFG_SCALE,
            )  # fmt: skip
    return np.asarray(drawn).astype(int)


def main() -> None:
    """Draw and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=GENERATIONS, default="sd15")
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--side", type=int, default=64, help="side of the pictures, in pixels")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    side, steps, threads = options.side, options.steps, options.threads
    torch.set_num_threads(threads)
    os.environ.setdefault("GPUSTACK_DRAW_CPU", "avx2")  # others multiply in bf16
    generation = GENERATIONS[options.model]
    folder = str(options.weights)
    job = Job("ours", "f16", generation.name, side, steps, CFG_SCALE, threads, folder, "")
    file = Path(prepare(job)["file"])
    peer = Peer(file, generation)
    encoder = load_text_encoder(load_file(file), generation)
    empty = peer.negative
    print(f"{'prompt':24}{'vectors':>8}{'max':>6}{'mean':>8}{'effect max':>12}{'mean':>8}")
    first = None
    for case in CASES:
        with torch.inference_mode():
            peer.prompt = encode(encoder, case, generation)
        # diffusers needs prompts of equal length; attention to repeated tokens changes nothing.
        peer.negative = empty.repeat(1, len(case.chunks), 1)
        theirs = peer.draw(CASE, side, steps).pixels.astype(int)
        ours = draw_ours(file, case, generation.text_width, side, steps, threads)
        first = ours if first is None else first
        error, effect = np.abs(ours - theirs), np.abs(ours - first)
        print(
            f"{case.prompt:24}{case.vectors:8}{error.max():6}{error.mean():8.3f}"
            f"{effect.max():12}{effect.mean():8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
