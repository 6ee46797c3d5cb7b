"""Train the transformer on scenes that are generated on the fly, with rectified flow.

The blocks that write captions of edits are trained by themselves, because that needs no picture of
the result, then those that draw the captions.
"""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from train_demo_model.autoencoder import AMPLITUDE, CODE_CHANNELS, USED_CHANNELS, LinearEncoder
from train_demo_model.captions import Text
from train_demo_model.losses import (
    Batch,
    caption_loss,
    channel_weights,
    noise_levels,
    noisy_tokens,
    reduced_precision,
    velocity_loss,
)
from train_demo_model.optimizers import make_optimizers, set_rate
from train_demo_model.painting import Painter, altered, to_device, tokens_of_latents
from train_demo_model.plans import Course, Plan, PlanStream
from train_demo_model.scene_encoder import SceneEncoder
from train_demo_model.scenes import MaskStore
from train_demo_model.transformer import Shape, Stream, Transformer

WARM_UP_STEPS = 60
CHECKPOINT_SECONDS = 60
#: The latent channels with the codes of a scene.
CODES = slice(USED_CHANNELS, USED_CHANNELS + CODE_CHANNELS)
#: Share of pictures whose noise has the codes of another picture, as if drawing started from that.
STARTED = 0.25


def keep_memory() -> None:
    """Keep freed memory in the process, because returning it is slower than the arithmetic."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_max = -1, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # not glibc; only slower


class BatchSource:
    """Paints the pictures of plans, and encodes them as latent tokens, on a device."""

    def __init__(
        self,
        encoder: LinearEncoder,
        scene_encoder: SceneEncoder,
        store: MaskStore,
        device: torch.device | None = None,
    ) -> None:
        """Create a source; the device is the CPU by default."""
        self.device = device or torch.device("cpu")
        self.weight, self.bias = (part.to(self.device) for part in encoder.folded())
        self.scene_encoder = scene_encoder.to(self.device).eval()
        self.painter = Painter(store, self.device)

    @torch.no_grad()
    def batch(self, plan: Plan) -> Batch:
        """Return the step of a plan."""
        painted = self.painter.paint(plan.scenes, plan.side)
        clean = self._latents(painted)
        started = torch.rand(len(clean), device=self.device) < STARTED
        kept = AMPLITUDE * torch.rand(int(started.sum()), 1, 1, 1, device=self.device)
        clean[started, CODES] = kept * self.scene_encoder(altered(painted.roll(1, 0)[started]))
        reference = None
        if plan.references is not None:
            pictures = altered(self.painter.paint(plan.references, plan.side))
            latents = self._latents(pictures)
            latents[:, CODES] = AMPLITUDE * self.scene_encoder(pictures)
            reference = tokens_of_latents(latents)
        return Batch(
            tokens_of_latents(clean),
            noise_levels(len(clean), plan.early, self.device),
            Text(*(to_device(part, self.device) for part in plan.prompt)),
            reference,
        )

    def _latents(self, pictures: Tensor) -> Tensor:
        return F.conv2d(pictures, self.weight, self.bias, stride=8)


class Trainer:
    """The state of a training: model, average, optimizers, and time."""

    def __init__(self, name: str, shape: Shape, source: BatchSource, course: Course) -> None:
        """Create a model with random weights, determined by the name, on the source's device."""
        self.name = name
        torch.manual_seed(len(name))
        self.source, self.course, self.device = source, course, source.device
        self.model = Transformer(shape).to(self.device)
        for part, parameter in self.model.named_parameters():
            parameter.requires_grad_(part.startswith(course.parts or ""))
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.optimizers = make_optimizers(self.model)
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
        model = self.model
        for block in (*model.caption_blocks, *model.double_blocks, *model.single_blocks):
            block.compile(dynamic=False)

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {
            "shape": self.model.config(),
            "model": self.model.state_dict(),
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
        loss = self._loss(batch, plan)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(0.997, 1 - 1 / (self.step * 0.2 + 1))
        with torch.no_grad():
            values = list(self.model.state_dict().values())
            get_ema_multi_avg_fn(keep)(list(self.average.values()), values, 0)

    def _loss(self, batch: Batch, plan: Plan) -> Tensor:
        """Return the loss of a step, and keep it for the log."""
        noisy, right = noisy_tokens(batch)
        with reduced_precision(self.device):
            stream = self.model.stream(noisy, batch.sigma, batch.prompt, batch.reference)
            if not self.course.draws:
                loss, correct = self._captions(self.model.write_captions(stream), batch.prompt)
                self._keep(f"wrong captions, {plan.name}", 1 - correct.mean())
                return loss
            velocity = self.model.draw(stream, self._text(stream, batch.prompt), noisy.shape[1])
        loss = velocity_loss(velocity, right, self.weights)
        self._keep(plan.name, loss)
        return loss

    def _text(self, stream: Stream, prompt: Text) -> Tensor:
        """Return the captions to draw: the written ones, or right ones where those are wrong."""
        if not self.model.caption_blocks:
            return stream.text
        with torch.no_grad():
            written = self.model.write_captions(stream)
            _, correct = self._captions(written, prompt)
            return torch.where(
                correct[:, None, None] > 0, written, self.model.embedded(prompt.written)
            )

    def _captions(self, written: Tensor, prompt: Text) -> tuple[Tensor, Tensor]:
        return caption_loss(written.float(), prompt, self.model.embedded_words().detach())

    def _keep(self, name: str, loss: Tensor) -> None:
        # Reading the number would wait for the GPU.
        self.losses.setdefault(name, deque(maxlen=100)).append(loss.detach())
