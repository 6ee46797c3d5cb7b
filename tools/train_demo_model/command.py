"""The command line of the training: autoencoder, transformer, exports, contact sheets."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from train_demo_model import autoencoder_training, export, preview, scene_encoder
from train_demo_model.autoencoder import Decoder
from train_demo_model.export import Autoencoder
from train_demo_model.painting import latents_of_tokens
from train_demo_model.plans import CAPTIONS, EDITING, TEXT_TO_IMAGE, Planner
from train_demo_model.reading import ModelFile
from train_demo_model.scenes import MaskStore
from train_demo_model.training import BatchSource, Trainer, keep_memory
from train_demo_model.transformer import Shape, Transformer
from train_demo_model.validation import EditValidation
from train_demo_model.vocabulary import WORDS

Weights = dict[str, torch.Tensor]

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
    parser.add_argument(
        "--start", type=Path, help="model file that is to learn editing, or more of it"
    )
    parser.add_argument("--minutes", type=float, default=210, help="training of text-to-image")
    parser.add_argument("--caption-minutes", type=float, default=45, help="of captions of edits")
    parser.add_argument("--edit-minutes", type=float, default=75, help="training of editing")
    parser.add_argument("--decoder-minutes", type=float, default=8)
    parser.add_argument("--scene-minutes", type=float, default=20, help="of the scene encoder")
    parser.add_argument("--export-minutes", type=float, default=12)
    parser.add_argument("--work", type=Path, help="folder for checkpoints and exports")
    parser.add_argument("--hidden", type=int, default=Shape.hidden)
    parser.add_argument("--double-blocks", type=int, default=Shape.doubles)
    parser.add_argument("--single-blocks", type=int, default=Shape.singles)
    parser.add_argument("--no-compile", action="store_true", help="run without a C++ compiler")
    parser.add_argument("--batch-factor", type=int, help="times the pictures of a step on a CPU")
    parser.add_argument("--workers", type=int, help="processes that make scenes")
    return parser.parse_args()


def _autoencoder(options: argparse.Namespace, store: MaskStore) -> Autoencoder:
    """Return the parts of the autoencoder from the start file or the work folder, or trained."""
    file = ModelFile(options.start) if options.start else None
    if file:
        encoder, decoder = file.encoder(), file.decoder()
        if file.shape().captions:
            return file.autoencoder()
    else:
        path = options.work / "autoencoder.pt"
        if not path.exists():
            encoder = autoencoder_training.fit_encoder(store)
            unfinished = path.with_suffix(".unfinished")
            autoencoder_training.train_decoder(encoder, store, options.decoder_minutes, unfinished)
            unfinished.replace(path)
        encoder, decoder = autoencoder_training.load(path)
    path = options.work / "scene_encoder.pt"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        scene_encoder.train(encoder, store, options.scene_minutes, unfinished)
        unfinished.replace(path)
    return Autoencoder(encoder, scene_encoder.load(path, encoder), decoder)


def _rows(pictures: torch.Tensor, count: int) -> Image.Image:
    """Return pictures (N, 3, H, W) in 0..1 in a number of rows."""
    pixels = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    columns = len(pixels) // count
    rows = [np.concatenate(list(pixels[i * columns : (i + 1) * columns]), 1) for i in range(count)]
    return Image.fromarray(np.concatenate(rows, 0))


def _sheet(model: Transformer, decoder: Decoder, side: int) -> Image.Image:
    """Return the pictures of the preview prompts in two rows."""
    prompts = list(PREVIEW_PROMPTS)
    seeds = list(range(len(prompts)))
    return _rows(preview.draw(model, decoder, prompts, seeds=seeds, side=side), 2)


def _edit_sheet(
    model: Transformer, decoder: Decoder, source: BatchSource, side: int
) -> Image.Image:
    """Return random edits in three rows: the pictures before, the right ones after, the drawn."""
    planner = Planner(77, source.painter.variations)
    edits = [planner.edits.make() for _ in range(12)]
    batch = source.batch(planner.of_edits(edits, side))
    clean, reference = batch.clean.cpu(), batch.reference.cpu()
    prompts = [" ".join(WORDS[row - 1] for row in edit.after.caption) for edit in edits]
    drawn = preview.draw_edits(model, decoder, prompts, reference, seeds=list(range(len(edits))))
    before, after = (decoder(latents_of_tokens(tokens)) for tokens in (reference, clean))
    return _rows(torch.cat([before, after, drawn]).detach(), 3)


class Exporter:
    """Writes an export and contact sheets every few minutes."""

    def __init__(
        self,
        options: argparse.Namespace,
        parts: Autoencoder,
    ) -> None:
        """Set the folder and the autoencoder of the exports."""
        self.options, self.work, self.parts = options, options.work, parts
        self.validation: EditValidation | None = None
        self.last = time.monotonic()

    def now(self, trainer: Trainer, path: Path) -> None:
        """Write an export of the averaged weights."""
        weights = {name: value.cpu() for name, value in trainer.average.items()}
        export.write(path, weights, self.parts, engine_source=self.options.engine_source)

    def maybe(self, trainer: Trainer) -> None:
        """Print the errors of edits, and write an export and contact sheets if they are due."""
        if self.validation:
            model = Transformer(trainer.model.shape).to(trainer.device)
            print(self.validation.measure(trainer.average, model), flush=True)
        if time.monotonic() - self.last < 60 * self.options.export_minutes:
            return
        self.now(trainer, self.work / "latest.gguf")
        model = Transformer(trainer.model.shape).eval()
        model.load_state_dict({name: value.cpu() for name, value in trainer.average.items()})
        for side in (128, 256):
            name = f"{trainer.name}-step{trainer.step}-{side}"
            _sheet(model, self.parts.decoder, side).save(self.work / f"{name}.png")
            if trainer.course.edits:
                sheet = _edit_sheet(model, self.parts.decoder, trainer.source, side)
                sheet.save(self.work / f"{name}-edits.png")
        self.last = time.monotonic()


def _train(trainer: Trainer, minutes: float, exporter: Exporter) -> None:
    """Train from the checkpoint of an interrupted training, if there is one."""
    options = exporter.options
    checkpoint = exporter.work / f"{trainer.name}.pt"
    if checkpoint.exists():
        trainer.restore(checkpoint)
        print(f"continuing {trainer.name} at step {trainer.step}", flush=True)
    if not options.no_compile:
        trainer.compile()
    on_gpu = trainer.device.type == "cuda"
    # A GPU needs many pictures at once, and as many processes as there are to make their scenes.
    factor = options.batch_factor or (32 if on_gpu else 1)
    workers = options.workers
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) - 2) if on_gpu else 0
    trainer.train(minutes, checkpoint, exporter.maybe, factor=factor, workers=workers)


def _weights(options: argparse.Namespace, trainer: Trainer, exporter: Exporter) -> Weights:
    """Return the weights of a text-to-image model, trained unless there is a start file."""
    if options.start:
        return ModelFile(options.start).weights(options.engine_source)
    _train(trainer, options.minutes, exporter)
    return {name: value.cpu() for name, value in trainer.average.items()}


def _with_captions(weights: Weights, shape: Shape) -> Weights:
    """Return weights with those of new caption blocks, and with rows for all words.

    The package's first weights have zeros for padding, which would amplify what is added to it.
    """
    model = Transformer(shape)
    words = weights["words"].clone()
    missing = ~words.any(1)
    scale = words[~missing].square().mean().sqrt()
    words[missing] = scale * torch.randn(int(missing.sum()), words.shape[1])
    model.load_state_dict({**model.state_dict(), **weights, "words": words})
    model.begin_captions()
    return model.state_dict()


def main() -> None:
    """Train the autoencoder, text-to-image and editing, and write the model file."""
    options = _arguments()
    options.work = options.work or options.output.with_suffix(options.output.suffix + ".work")
    options.work.mkdir(parents=True, exist_ok=True)
    keep_memory()
    torch.manual_seed(0)
    store = MaskStore(variations=24)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = _autoencoder(options, store)
    exporter = Exporter(options, parts)
    source = BatchSource(parts.encoder, parts.scene_encoder, store, device)
    shape = Shape(options.hidden, options.double_blocks, options.single_blocks, captions=0)
    if options.start:
        shape = ModelFile(options.start).shape()
    weights = _weights(options, Trainer("transformer", shape, source, TEXT_TO_IMAGE), exporter)
    exporter.validation = EditValidation(source)
    if not shape.captions:
        shape = replace(shape, captions=Shape.captions)
        writer = Trainer("captions", shape, source, CAPTIONS)
        writer.begin_with(_with_captions(weights, shape))
        _train(writer, options.caption_minutes, exporter)
        weights = {name: value.cpu() for name, value in writer.average.items()}
    trainer = Trainer("editing", shape, source, EDITING)
    trainer.begin_with(weights)
    _train(trainer, options.edit_minutes, exporter)
    exporter.now(trainer, options.output)
    print(f"wrote {options.output} ({options.output.stat().st_size / 1e6:.1f} MB)")
