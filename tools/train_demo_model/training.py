"""Train the transformer with rectified flow on scenes that are generated on the fly."""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from train_demo_model.autoencoder import LATENT_CHANNELS, USED_CHANNELS, LinearEncoder
from train_demo_model.optimizers import make_optimizers, set_rate
from train_demo_model.painting import NO_OBJECT, Painter, Text, to_device, tokens_of_latents
from train_demo_model.plans import Course, Plan, PlanStream
from train_demo_model.scenes import Layout, MaskStore
from train_demo_model.transformer import Linear, Shape, Transformer

#: Loss weight of the latent channels after the first three (the average colors of 8 x 8 pixels).
DETAIL_WEIGHT = 0.6
#: Noise levels are distributed as in the engine's schedule, except a share that is uniform.
NOISE_SHIFT = 6.0
EVEN_SHARE = 0.10
#: In simple scenes, more noise levels are so high that only the caption determines the picture.
EARLY_SHIFT, EARLY_SHARE = 24.0, 0.4
WARM_UP_STEPS = 60
#: References have noise up to this deviation, like pictures that the model drew or that were JPEG.
REFERENCE_NOISE = 0.1
#: Loss weight of naming the object that each token of the reference shows. An instruction names
#: objects, and most of all removing one depends on finding it.
OBJECT_WEIGHT = 0.1
CHECKPOINT_SECONDS = 60


def keep_memory() -> None:
    """Keep freed memory in the process, because returning it is slower than the arithmetic."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_max = -1, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # not glibc; only slower


@dataclass(frozen=True)
class Batch:
    """Clean image tokens, noise levels, captions and clean tokens of reference pictures.

    `objects` are the indexes of the objects that the tokens of the references show.
    """

    clean: Tensor
    sigma: Tensor
    caption: Text
    reference: Tensor | None = None
    objects: Tensor | None = None


class BatchSource:
    """Paints the pictures of plans, and encodes them as latent tokens, on a device."""

    def __init__(
        self, encoder: LinearEncoder, store: MaskStore, device: torch.device | None = None
    ) -> None:
        """Create a source; the device is the CPU by default."""
        self.device = device or torch.device("cpu")
        self.weight, self.bias = (part.to(self.device) for part in encoder.folded())
        self.painter = Painter(store, self.device)
        self.used = channel_weights().sign().to(self.device)

    def batch(self, plan: Plan, noisy: bool = True) -> Batch:
        """Return the step of a plan; the references have noise if `noisy`."""
        count = len(plan.scenes.masks)
        rows, positions, bias = (to_device(part, self.device) for part in plan.caption)
        reference = objects = None
        if plan.references is not None:
            reference = self._tokens(plan.references, plan.side)
            objects = self.painter.objects(plan.references, plan.side)
        if reference is not None and noisy:
            noise = REFERENCE_NOISE * (2 * torch.rand(count, 1, 1, device=self.device) - 1).clamp(0)
            reference = reference + noise * torch.randn_like(reference) * self.used
        return Batch(
            self._tokens(plan.scenes, plan.side),
            noise_levels(count, plan.early, self.device),
            (rows, positions, bias),
            reference,
            objects,
        )

    def _tokens(self, layout: Layout, side: int) -> Tensor:
        pictures = self.painter.paint(layout, side)
        return tokens_of_latents(F.conv2d(pictures, self.weight, self.bias, stride=8))


def channel_weights() -> Tensor:
    """Return the loss weights of the image tokens' channels.

    Unused channels have weight zero, and no noise in training, so that the model ignores them.
    """
    weights = torch.zeros(LATENT_CHANNELS)
    weights[:USED_CHANNELS] = DETAIL_WEIGHT
    weights[:3] = 1.0
    return weights.repeat_interleave(4)


def noise_levels(count: int, early: bool, device: torch.device) -> Tensor:
    """Return stratified noise levels in 0..1, most of them distributed as in the engine."""
    even = (torch.randperm(count, device=device) + torch.rand(count, device=device)) / count
    shift = torch.where(torch.rand(count, device=device) < EVEN_SHARE, 1.0, NOISE_SHIFT)
    if early:
        shift = torch.where(torch.rand(count, device=device) < EARLY_SHARE, EARLY_SHIFT, shift)
    return (shift * even / (1 + (shift - 1) * even)).clamp(1e-3, 1)


def velocity_loss(forward: Callable[..., Tensor], batch: Batch, weights: Tensor) -> Tensor:
    """Return the loss of a model on noisy pictures, with a weight for each channel."""
    clean, sigma = batch.clean, batch.sigma
    noise = torch.randn_like(clean) * weights.sign()
    mix = sigma[:, None, None]
    with torch.autocast(clean.device.type, torch.bfloat16):
        noisy = (1 - mix) * clean + mix * noise
        velocity = forward(noisy, sigma, batch.caption, batch.reference)
    squares = (velocity.float() - (noise - clean)).square().mean((0, 1))
    return (squares * weights).sum() / weights.sum()


class Trainer:
    """The state of a training: model, average, optimizers, and time."""

    def __init__(self, name: str, shape: Shape, source: BatchSource, course: Course) -> None:
        """Create a model with random weights, determined by the name, on the source's device."""
        self.name = name
        torch.manual_seed(len(name))
        self.source, self.course, self.device = source, course, source.device
        self.model = Transformer(shape).to(self.device)
        #: Names the objects in references, in training only.
        self.namer = Linear(shape.hidden, NO_OBJECT + 1).to(self.device)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.optimizers = make_optimizers(nn.ModuleList([self.model, self.namer]))
        self.weights = channel_weights().to(self.device)
        self.step, self.seconds = 0, 0.0
        self.losses: dict[str, deque[Tensor]] = {}

    def begin_with(self, weights: dict[str, Tensor]) -> None:
        """Load the weights of a model."""
        self.model.load_state_dict(weights)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}

    def compile(self) -> None:
        """Fuse element-wise operations, twice as fast on a CPU; needs a C++ compiler.

        The blocks are compiled, not the model, because equal ones are compiled once.
        """
        for block in (*self.model.double_blocks, *self.model.single_blocks):
            block.compile(dynamic=False)

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {
            "shape": self.model.config(),
            "model": self.model.state_dict(),
            "namer": self.namer.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "noise": torch.get_rng_state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Load a checkpoint."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.namer.load_state_dict(state["namer"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["noise"])

    def train(
        self,
        minutes: float,
        checkpoint: Path,
        report: Callable[[Trainer], None],
        *,
        factor: int = 1,
        workers: int = 0,
    ) -> None:
        """Train up to a total of `minutes`; call `report` at every checkpoint.

        `factor` multiplies the pictures of a step, which `workers` processes plan ahead.
        """
        seed, variations = f"{self.name} {self.step}", self.source.painter.variations
        stream = PlanStream(self.course, seed, variations, factor)
        stream.progress.value = self.seconds / (60 * minutes)
        last, saved = self._clock(), time.monotonic()
        plans = stream.ahead(workers)
        while (progress := self.seconds / (60 * minutes)) < 1:
            stream.progress.value = progress
            self._one_step(next(plans), progress)
            if self.step % 25 == 0:
                print(self.status(progress), flush=True)
            now = self._clock()
            self.seconds += self._counted(now - last)
            last = now
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save(checkpoint)
                report(self)
                saved = time.monotonic()
                if self.device.type != "cuda":
                    last = self._clock()
        self.save(checkpoint)
        report(self)

    def _clock(self) -> float:
        """Return seconds; on CPUs those of work, because other programs share the machine."""
        if self.device.type == "cuda":
            return time.monotonic()
        return time.process_time() / torch.get_num_threads()

    def _counted(self, seconds: float) -> float:
        """Return the seconds that count: all on a GPU, which is lent for a time.

        On a CPU, compilations count for ten seconds at most.
        """
        return seconds if self.device.type == "cuda" else min(seconds, 10.0)

    def status(self, progress: float) -> str:
        """Return a line for the log."""
        means = {name: float(torch.stack([*x]).mean()) for name, x in self.losses.items()}
        losses = ", ".join(f"{name} {means[name]:.4f}" for name in sorted(means))
        return f"step {self.step}, {self.seconds:.0f} s ({progress:.1%}), losses: {losses}"

    def _one_step(self, plan: Plan, progress: float) -> None:
        rate = self.course.rate_at(progress)
        set_rate(self.optimizers, min(1.0, (self.step + 1) / WARM_UP_STEPS) * rate)
        batch = self.source.batch(plan)
        loss = self._loss(batch, plan.name)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.namer.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(0.997, 1 - 1 / (self.step * 0.2 + 1))
        with torch.no_grad():
            values = list(self.model.state_dict().values())
            get_ema_multi_avg_fn(keep)(list(self.average.values()), values, 0)

    def _loss(self, batch: Batch, name: str) -> Tensor:
        """Return the loss of a step, and keep its parts for the log."""
        states: list[Tensor] = []

        def forward(*inputs: Tensor) -> Tensor:
            velocity, reference = self.model.with_states(*inputs)
            states.append(reference)
            return velocity

        loss = velocity_loss(forward, batch, self.weights)
        self._keep(name, loss)
        if batch.objects is None:
            return loss
        names = self.namer(F.layer_norm(states[0], states[0].shape[-1:]))
        objects = F.cross_entropy(names.flatten(0, 1), batch.objects.flatten())
        self._keep("objects", objects)
        return loss + OBJECT_WEIGHT * objects

    def _keep(self, name: str, loss: Tensor) -> None:
        # Reading the number would wait for the GPU.
        self.losses.setdefault(name, deque(maxlen=100)).append(loss.detach())
