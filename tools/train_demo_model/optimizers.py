"""The Muon optimizer for the matrices of the blocks, and learning rates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MUON_RATE = 4.5e-3
ADAM_RATE = 1.5e-3


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalized updates, which trains small models several times faster.

    Fused matrices (query, key, value and feed-forward in one) are split into square pieces with
    separate orthogonal updates.
    """

    def __init__(self, params: list[nn.Parameter], rate: float, momentum: float = 0.95) -> None:
        """Create an optimizer of matrices."""
        super().__init__(params, {"lr": rate, "momentum": momentum, "decay": 0.02})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update every matrix from its gradient."""
        for group in self.param_groups:
            nesterov = []
            for param in group["params"]:
                state = self.state[param]
                if "average" not in state:
                    state["average"] = torch.zeros_like(param)
                average = state["average"].lerp_(param.grad, 1 - group["momentum"])
                nesterov.append(param.grad.lerp(average, group["momentum"]))
            for param, update in zip(group["params"], _orthogonal(nesterov), strict=True):
                param.mul_(1 - group["lr"] * group["decay"])
                param.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(min(param.shape)))


def _orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """Return matrices whose square pieces are replaced by nearly orthogonal ones.

    All have the hidden width on one side, so that all pieces have equal shapes and a GPU computes
    them at once.
    """
    axes = [0 if len(matrix) > matrix.shape[1] else 1 for matrix in matrices]
    pieces = [
        matrix.chunk(max(matrix.shape) // min(matrix.shape), axis)
        for matrix, axis in zip(matrices, axes, strict=True)
    ]
    x = torch.stack([piece for parts in pieces for piece in parts])
    if x.is_cuda:
        x = x.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):  # Newton-Schulz steps move the singular values towards 1
        gram = x @ x.mT
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    updates = x.float().split([len(parts) for parts in pieces])
    return [torch.cat(list(parts), axis) for parts, axis in zip(updates, axes, strict=True)]


def make_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks, and Adam for all other parameters."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        in_block = param.ndim == 2 and "_blocks." in name
        (matrices if in_block else others).append(param)
    adam = torch.optim.AdamW(others, ADAM_RATE, betas=(0.9, 0.97), weight_decay=0.0)
    optimizers: list[torch.optim.Optimizer] = [Muon(matrices, MUON_RATE), adam]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def set_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Set the learning rates to a fraction of their peaks."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
