"""The command line of the training: autoencoder, transformer, exports, contact sheets."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from train_demo_model import autoencoder_training, export, preview
from train_demo_model.autoencoder import Decoder, LinearEncoder
from train_demo_model.scenes import MaskStore
from train_demo_model.training import BatchSource, Trainer, keep_memory
from train_demo_model.transformer import Shape, Transformer

PREVIEW_PROMPTS = (
    "a red circle on a blue background",
    "a yellow star on a black background",
    "a green tree",
    "a brown house on a pink background",
    "a small purple heart at the top, gray background",
    "a big orange fish on a white background",
    "three green stars on a yellow background",
    "a red ring left of a blue square",
    "a white cloud above a yellow flower on a green background",
    "two black arrows on an orange background",
    "a pink cup on the right of a gray background",
    "a blue mushroom and a white moon on a brown background",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the embedded model.")
    parser.add_argument("--engine-source", type=Path, required=True, help="stable-diffusion.cpp")
    parser.add_argument("--output", type=Path, required=True, help="the GGUF file to write")
    parser.add_argument("--minutes", type=float, default=210, help="total training time")
    parser.add_argument("--decoder-minutes", type=float, default=8)
    parser.add_argument("--export-minutes", type=float, default=12)
    parser.add_argument("--work", type=Path, help="folder for checkpoints and exports")
    parser.add_argument("--hidden", type=int, default=Shape.hidden)
    parser.add_argument("--double-blocks", type=int, default=Shape.doubles)
    parser.add_argument("--single-blocks", type=int, default=Shape.singles)
    parser.add_argument("--no-compile", action="store_true", help="run without a C++ compiler")
    return parser.parse_args()


def _autoencoder(work: Path, store: MaskStore, minutes: float) -> tuple[LinearEncoder, Decoder]:
    path = work / "autoencoder.pt"
    if not path.exists():
        encoder = autoencoder_training.fit_encoder(store)
        unfinished = path.with_suffix(".unfinished")
        autoencoder_training.train_decoder(encoder, store, minutes, unfinished)
        unfinished.replace(path)
    return autoencoder_training.load(path)


def _sheet(model: Transformer, decoder: Decoder, side: int) -> Image.Image:
    """Return the pictures of the preview prompts in two rows."""
    prompts = list(PREVIEW_PROMPTS)
    pictures = preview.draw(model, decoder, prompts, seeds=list(range(len(prompts))), side=side)
    pixels = (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()
    columns = len(prompts) // 2
    rows = [np.concatenate(list(pixels[i : i + columns]), 1) for i in (0, columns)]
    return Image.fromarray(np.concatenate(rows, 0))


class Exporter:
    """Writes an export and a contact sheet every few minutes."""

    def __init__(self, options: argparse.Namespace, parts: tuple[LinearEncoder, Decoder]) -> None:
        """Set the folder and the autoencoder of the exports."""
        self.options, self.work = options, options.work
        self.encoder, self.decoder = parts
        self.last = time.monotonic()

    def now(self, trainer: Trainer, path: Path) -> None:
        """Write an export of the averaged weights."""
        weights = {name: value.cpu() for name, value in trainer.average.items()}
        source = self.options.engine_source
        export.write(path, weights, self.encoder, self.decoder, engine_source=source)

    def maybe(self, trainer: Trainer) -> None:
        """Write an export and a contact sheet if they are due."""
        if time.monotonic() - self.last < 60 * self.options.export_minutes:
            return
        self.now(trainer, self.work / "latest.gguf")
        model = Transformer(trainer.model.shape).eval()
        model.load_state_dict({name: value.cpu() for name, value in trainer.average.items()})
        for side in (128, 256):
            _sheet(model, self.decoder, side).save(self.work / f"step{trainer.step}-{side}.png")
        self.last = time.monotonic()


def main() -> None:
    """Fit the autoencoder, train the transformer, write the model file."""
    options = _arguments()
    options.work = options.work or options.output.with_suffix(options.output.suffix + ".work")
    options.work.mkdir(parents=True, exist_ok=True)
    keep_memory()
    torch.manual_seed(0)
    store = MaskStore(variations=24)
    parts = _autoencoder(options.work, store, options.decoder_minutes)
    shape = Shape(options.hidden, options.double_blocks, options.single_blocks)
    trainer = Trainer(shape, BatchSource(parts[0], store, seed=12))
    checkpoint = options.work / "transformer.pt"
    if checkpoint.exists():
        trainer.restore(checkpoint)
        print(f"continuing at step {trainer.step}", flush=True)
    if not options.no_compile:
        trainer.compile()
    exporter = Exporter(options, parts)
    trainer.train(options.minutes, checkpoint, exporter.maybe)
    exporter.now(trainer, options.output)
    print(f"wrote {options.output} ({options.output.stat().st_size / 1e6:.1f} MB)")
