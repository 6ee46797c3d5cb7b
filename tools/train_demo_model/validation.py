"""Measure how well a model does each type of edit, on the same random edits each time."""

from __future__ import annotations

import torch
from torch import Tensor

from train_demo_model.edits import KINDS, Edit
from train_demo_model.losses import Batch, caption_loss, channel_weights, reduced_precision
from train_demo_model.plans import Planner
from train_demo_model.training import BatchSource
from train_demo_model.transformer import Transformer

#: Edits of a type, and the side of their pictures, on a CPU and on a GPU.
COUNT, SIDE = {"cpu": 12, "cuda": 96}, {"cpu": 128, "cuda": 256}


class EditValidation:
    """Random edits by type, which the training does not use."""

    def __init__(self, source: BatchSource) -> None:
        """Make the edits."""
        device = source.device.type
        planner = Planner("validation", source.painter.variations)
        edits: dict[str, list[Edit]] = {kind: [] for kind in KINDS}
        while min(map(len, edits.values())) < COUNT[device]:
            edit = planner.edits.make()
            edits[edit.kind].append(edit)
        self.plans = {
            kind: planner.of_edits(some[: COUNT[device]], SIDE[device])
            for kind, some in edits.items()
        }
        self.source = source
        self.weights = channel_weights().sign().to(source.device)

    def measure(self, weights: dict[str, Tensor], model: Transformer) -> str:
        """Return a line with the error and the share of right captions of each type of edit.

        The error is that of the picture predicted from noise alone: 0 is the right picture, and 1
        is the unchanged reference; for edits that change nothing, a picture in the mean color.

        Args:
            weights: Weights of the model.
            model: A model of their shape, which is loaded with them.
        """
        model.load_state_dict(weights)
        parts = [
            f"{kind} {error:.3f} {right:.0%}"
            for kind, plan in self.plans.items()
            for error, right in [self._quality(self.source.batch(plan), model.eval())]
        ]
        return f"error and right captions of edits: {', '.join(parts)}"

    @torch.no_grad()
    def _quality(self, batch: Batch, model: Transformer) -> tuple[float, float]:
        clean, reference = batch.clean, batch.reference
        assert reference is not None
        generator = torch.Generator().manual_seed(4)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        sigma = torch.ones(len(clean), device=clean.device)
        with reduced_precision(clean.device):
            velocity, written = model.with_captions(noise, sigma, batch.prompt, reference)
            rows = model.embedded_words()
        _, right = caption_loss(written.float(), batch.prompt, rows)
        missing = ((noise - velocity - clean) * self.weights).square().sum()
        change = ((reference - clean) * self.weights).square().sum()
        whole = ((clean - clean.mean((0, 1))) * self.weights).square().sum()
        return float(missing / (change if change > 0 else whole)), float(right.mean())
