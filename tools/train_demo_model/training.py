"""Train the transformer with rectified flow on scenes that are generated on the fly."""

from __future__ import annotations

import ctypes
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_demo_model.autoencoder import LATENT_CHANNELS, USED_CHANNELS, LinearEncoder
from train_demo_model.edits import EditMaker
from train_demo_model.optimizers import make_optimizers, set_rate
from train_demo_model.painting import Text, pack_text, paint, placed_caption, tokens_of_latents
from train_demo_model.scenes import MaskStore, Scene, SceneMaker
from train_demo_model.transformer import Shape, Transformer
from train_demo_model.vocabulary import AFTER_PROMPT, BEFORE_PROMPT

#: Pictures per step by side, with the same number of image tokens. With references half of them.
BATCH = {128: 96, 256: 24}
#: Maximum number of caption words, and number of sampled padding tokens.
CAPTION_WORDS = 14
TEXT_TOKENS = CAPTION_WORDS + sum(map(bool, (*BEFORE_PROMPT, *AFTER_PROMPT)))
PADS = 6
#: Loss weight of the latent channels after the first three (the average colors of 8 x 8 pixels).
DETAIL_WEIGHT = 0.6
#: Noise levels are distributed as in the engine's schedule, except a share that is uniform.
NOISE_SHIFT = 6.0
EVEN_SHARE = 0.10
#: Up to this share of the time scenes are simple, and more noise levels are so high that only the
#: caption determines the picture.
EARLY, EARLY_SHIFT, EARLY_SHARE = 0.45, 24.0, 0.4
WARM_UP_STEPS = 60
#: References have noise up to this deviation, like pictures that the model drew or that were JPEG.
REFERENCE_NOISE = 0.1
CHECKPOINT_SECONDS = 120


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
class Course:
    """Learning rates of a training, and shares of simple scenes, large pictures and edits."""

    #: Up to this share of the time most pictures are small, and scenes are simple if `simple`.
    early: float = EARLY
    simple: bool = True
    #: Factor of the learning rates. From a share of the time on it decreases to almost zero.
    rate: float = 1.0
    decay_from: float = 0.55
    #: Share of steps with edits.
    edits: float = 0.0

    def rate_at(self, progress: float) -> float:
        """Return the factor of the learning rates."""
        decay = 1.0 if progress < self.decay_from else (1 - progress) / (1 - self.decay_from)
        return self.rate * max(0.01, decay)

    def share_of_large(self, progress: float) -> float:
        """Return the share of steps with 256-pixel pictures, which grows during training.

        A step has four times as many pictures of 128 pixels.
        """
        if progress < 0.4 * self.early:
            return 0.15
        return 0.65 if progress < self.early else 0.75


#: From random weights to text-to-image, and from there to editing.
TEXT_TO_IMAGE = Course()
EDITING = Course(early=0.8, simple=False, rate=0.7, decay_from=0.5, edits=0.7)


@dataclass(frozen=True)
class Batch:
    """Clean image tokens, noise levels, captions and clean tokens of reference pictures."""

    clean: Tensor
    sigma: Tensor
    caption: Text
    reference: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        rows, positions, bias = (part.to(device) for part in self.caption)
        reference = None if self.reference is None else self.reference.to(device)
        caption = (rows, positions, bias)
        return Batch(self.clean.to(device), self.sigma.to(device), caption, reference)


class BatchSource:
    """Random training batches: latent tokens, noise levels and captions."""

    def __init__(self, encoder: LinearEncoder, store: MaskStore, seed: int) -> None:
        """Create a source; the seed determines its scenes."""
        self.weight, self.bias = encoder.folded()
        self.store = store
        self.rng = random.Random(seed)
        self.maker = SceneMaker(self.rng)
        self.edits = EditMaker(self.rng)
        self.used = channel_weights().sign()

    def batch(self, side: int, early: bool = False) -> Batch:
        """Return a step of text-to-image."""
        count = BATCH[side]
        self.maker.first = early
        scenes = [self.maker.make() for _ in range(count)]
        return Batch(self._tokens(scenes, side), noise_levels(count, early), _captions(scenes))

    def edit_batch(self, side: int) -> Batch:
        """Return a step of edits."""
        count = BATCH[side] // 2
        edits = [self.edits.make() for _ in range(count)]
        after = [edit.after for edit in edits]
        reference = self._tokens([edit.before for edit in edits], side)
        noise = REFERENCE_NOISE * (2 * torch.rand(count, 1, 1) - 1).clamp(0)
        reference += noise * torch.randn_like(reference) * self.used
        return Batch(self._tokens(after, side), noise_levels(count), _captions(after), reference)

    def _tokens(self, scenes: list[Scene], side: int) -> Tensor:
        pictures = paint(scenes, self.store, side)
        return tokens_of_latents(F.conv2d(pictures, self.weight, self.bias, stride=8))


def _captions(scenes: list[Scene]) -> Text:
    placed = [placed_caption(scene, CAPTION_WORDS) for scene in scenes]
    return pack_text(placed, PADS, TEXT_TOKENS)


def channel_weights() -> Tensor:
    """Return the loss weights of the image tokens' channels.

    Unused channels have weight zero, and no noise in training, so that the model ignores them.
    """
    weights = torch.zeros(LATENT_CHANNELS)
    weights[:USED_CHANNELS] = DETAIL_WEIGHT
    weights[:3] = 1.0
    return weights.repeat_interleave(4)


def noise_levels(count: int, early: bool = False) -> Tensor:
    """Return stratified noise levels in 0..1, most of them distributed as in the engine."""
    even = (torch.arange(count) + torch.rand(count)) / count
    even = even[torch.randperm(count)]
    shift = torch.where(torch.rand(count) < EVEN_SHARE, 1.0, NOISE_SHIFT)
    if early:
        shift[torch.rand(count) < EARLY_SHARE] = EARLY_SHIFT
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
    """The state of a training: model, average, optimizers, time and random generators."""

    def __init__(self, name: str, shape: Shape, source: BatchSource, course: Course) -> None:
        """Create a model with random weights, determined by the name."""
        self.name = name
        torch.manual_seed(len(name))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.source, self.course = source, course
        self.model = Transformer(shape).to(self.device)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.optimizers = make_optimizers(self.model)
        self.weights = channel_weights().to(self.device)
        self.forward: Callable[..., Tensor] = self.model
        self.step, self.seconds = 0, 0.0
        self.losses: dict[str, deque[float]] = {}

    def begin_with(self, weights: dict[str, Tensor]) -> None:
        """Load the weights of a model."""
        self.model.load_state_dict(weights)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}

    def compile(self) -> None:
        """Fuse element-wise operations, twice as fast on a CPU; needs a C++ compiler."""
        self.forward = torch.compile(self.model, dynamic=False)

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {
            "shape": self.model.config(),
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "scenes": self.source.rng.getstate(),
            "noise": torch.get_rng_state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Load a checkpoint."""
        state = torch.load(path, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]
        self.source.rng.setstate(state["scenes"])
        torch.set_rng_state(state["noise"])

    def train(self, minutes: float, checkpoint: Path, report: Callable[[Trainer], None]) -> None:
        """Train up to a total of `minutes`; call `report` at every checkpoint."""
        last, saved = self._clock(), time.monotonic()
        while (progress := self.seconds / (60 * minutes)) < 1:
            self._one_step(progress)
            now = self._clock()
            # Compilations count for ten seconds at most.
            self.seconds += min(now - last, 10.0)
            last = now
            if self.step % 25 == 0:
                print(self.status(progress), flush=True)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save(checkpoint)
                report(self)
                last, saved = self._clock(), time.monotonic()
        self.save(checkpoint)
        report(self)

    def _clock(self) -> float:
        """Return seconds; on CPUs those of work, because other programs share the machine."""
        if self.device.type == "cuda":
            return time.monotonic()
        return time.process_time() / torch.get_num_threads()

    def status(self, progress: float) -> str:
        """Return a line for the log."""
        means = {name: sum(x) / max(1, len(x)) for name, x in self.losses.items()}
        losses = ", ".join(f"{name} {means[name]:.4f}" for name in sorted(means))
        return f"step {self.step}, {self.seconds:.0f} s ({progress:.1%}), losses: {losses}"

    def _one_step(self, progress: float) -> None:
        rate = self.course.rate_at(progress)
        set_rate(self.optimizers, min(1.0, (self.step + 1) / WARM_UP_STEPS) * rate)
        rng = self.source.rng
        side = 256 if rng.random() < self.course.share_of_large(progress) else 128
        if rng.random() < self.course.edits:
            name, batch = f"edit at {side}", self.source.edit_batch(side)
        else:
            early = self.course.simple and progress < self.course.early
            name, batch = str(side), self.source.batch(side, early)
        loss = velocity_loss(self.forward, batch.to(self.device), self.weights)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        self.losses.setdefault(name, deque(maxlen=100)).append(float(loss.detach()))
        keep = min(0.997, 1 - 1 / (self.step * 0.2 + 1))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 1 - keep)
