"""The command line of the training of a LoRA."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from train_demo_lora.lora import add_loras, write
from train_demo_lora.sky import PROMPTS, SkyPlanner, distance_from_sky, has_object
from train_demo_model import preview
from train_demo_model.losses import channel_weights, noisy_tokens, velocity_loss
from train_demo_model.plans import BATCH
from train_demo_model.reading import ModelFile
from train_demo_model.scenes import MaskStore
from train_demo_model.training import BatchSource, keep_memory
from train_demo_model.transformer import Transformer

DEMO = Path(__file__).resolve().parents[2] / "python" / "gpustack_draw" / "demo" / "demo.gguf"
RATE = 3e-3
WARM_UP_STEPS = 20
#: Share of steps with 256-pixel pictures.
LARGE_SHARE = 0.3


def train(
    model: Transformer,
    source: BatchSource,
    planner: SkyPlanner,
    parameters: list[Tensor],
    steps: int,
) -> None:
    """Train parameters of a model."""
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=0.0)
    weights = channel_weights()
    began, mean = time.monotonic(), 0.0
    for step in range(steps):
        decay = min(1.0, 1.5 * (1 - step / steps))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP_STEPS) * decay
        side = 256 if planner.rng.random() < LARGE_SHARE else 128
        batch = source.batch(planner.drawing(side))
        noisy, right = noisy_tokens(batch)
        loss = velocity_loss(model(noisy, batch.sigma, batch.prompt), right, weights)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        mean += (loss.item() - mean) * max(0.05, 1 / (step + 1))
        if (step + 1) % 10 == 0:
            seconds = time.monotonic() - began
            print(f"step {step + 1} of {steps}, {seconds:.0f} s, loss {mean:.4f}", flush=True)


def pictures(model: Transformer, file: ModelFile) -> list[Image.Image]:
    """Draw the prompts."""
    drawn = preview.draw(
        model, file.decoder(), list(PROMPTS), seeds=list(range(len(PROMPTS))), side=128
    )
    pixels = (drawn * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(one) for one in pixels]


def compare(without: list[Image.Image], with_lora: list[Image.Image], path: Path) -> None:
    """Print how well the pictures show the style, and write all of them in two rows."""
    for title, drawn in (("without", without), ("with", with_lora)):
        distances = ", ".join(f"{distance_from_sky(one):.0f}" for one in drawn)
        right = sum(
            has_object(one, *thing) for one, thing in zip(drawn, PROMPTS.values(), strict=True)
        )
        print(
            f"{title} the LoRA: background {distances} levels from that of the sky,"
            f" {right} of {len(drawn)} objects right"
        )
    rows = [np.concatenate([np.asarray(one) for one in drawn], 1) for drawn in (without, with_lora)]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


def main() -> None:
    """Train, write the LoRA, and compare pictures without and with it."""
    parser = argparse.ArgumentParser(description="Train a LoRA for the embedded model.")
    parser.add_argument("--engine-source", type=Path, required=True, help="stable-diffusion.cpp")
    parser.add_argument("--output", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--model", type=Path, default=DEMO, help="the model file, by default demo")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32, help="pictures of 128 pixels in a step")
    options = parser.parse_args()
    keep_memory()
    torch.manual_seed(0)
    BATCH.update({128: options.batch, 256: max(1, options.batch // 4)})
    file = ModelFile(options.model)
    model = Transformer(file.shape())
    model.load_state_dict(file.weights(options.engine_source))
    without = pictures(model.eval(), file)
    loras = add_loras(model)
    parameters = [part for lora in loras.values() for part in (lora.down, lora.up)]
    store = MaskStore(variations=6)
    source = BatchSource(file.encoder(), file.scene_encoder(), store)
    planner = SkyPlanner(5, store.variations)
    train(model, source, planner, parameters, options.steps)
    write(options.output, loras, file.shape().captions)
    compare(without, pictures(model, file), options.output.with_suffix(".png"))
