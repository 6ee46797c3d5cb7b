"""Random training steps as small arrays, made ahead by other processes where a GPU trains."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from train_demo_model.captions import Text, pack_text, prompt_of_caption
from train_demo_model.edits import Edit, EditMaker, result_caption
from train_demo_model.scenes import Layout, Scene, SceneMaker, lay_out

#: Pictures per step by side, with the same number of image tokens. With references half of them,
#: if they are drawn.
BATCH = {128: 96, 256: 24}
#: Up to this share of the time scenes are simple.
EARLY = 0.45
#: The weights that write captions of edits, and those that draw.
WRITING = ("caption_blocks.", "code_in.")
DRAWING = ("double_blocks.", "single_blocks.", "single_stream_modulation.", "final_layer.")


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
    #: Beginnings of the names of the weights that are trained; empty for all.
    parts: tuple[str, ...] = ()

    @property
    def draws(self) -> bool:
        """True unless only captions are written, which needs no picture of the result."""
        return self.parts != WRITING

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


#: From random weights to text-to-image, from there to captions of edits, and to their pictures.
TEXT_TO_IMAGE = Course()
CAPTIONS = Course(early=1.0, simple=False, rate=0.6, decay_from=0.5, edits=0.85, parts=WRITING)
EDITING = Course(simple=False, rate=0.4, decay_from=0.3, edits=0.6, parts=DRAWING)


class Plan(NamedTuple):
    """The scenes of a step, with their prompts as arrays."""

    side: int
    early: bool
    prompt: tuple[np.ndarray, ...]
    scenes: Layout
    #: The scenes before the edits, and the types of those.
    references: Layout | None = None
    kinds: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The side and the type of the step."""
        return f"edit at {self.side}" if self.references else str(self.side)


class Planner:
    """Generator of random plans, for a store with a number of variations of each mask."""

    def __init__(self, seed: int | str, variations: int, factor: int = 1) -> None:
        """Create a generator; `factor` multiplies the pictures of a step."""
        self.rng = random.Random(seed)
        self.variations, self.factor = variations, factor
        self.scenes = SceneMaker(self.rng)
        self.edits = EditMaker(self.rng)

    def next(self, course: Course, progress: float) -> Plan:
        """Return a step of a course."""
        side = 256 if self.rng.random() < course.share_of_large(progress) else 128
        if self.rng.random() < course.edits:
            return self.editing(side, BATCH[side] // 2 if course.draws else BATCH[side])
        return self.drawing(side, early=course.simple and progress < course.early)

    def drawing(self, side: int, early: bool = False) -> Plan:
        """Return a step of text-to-image."""
        self.scenes.first = early
        scenes = [self.scenes.make() for _ in range(self.factor * BATCH[side])]
        prompts = pack_text([prompt_of_caption(scene) for scene in scenes], self.rng)
        return Plan(side, early, _arrays(prompts), self.lay_out(scenes))

    def editing(self, side: int, count: int) -> Plan:
        """Return a step of edits."""
        return self.of_edits([self.edits.make() for _ in range(self.factor * count)], side)

    def of_edits(self, edits: list[Edit], side: int) -> Plan:
        """Return a step of some edits."""
        before, after = [edit.before for edit in edits], [edit.after for edit in edits]
        prompts = [prompt_of_caption(scene) for scene in after]
        text = pack_text(prompts, self.rng, [result_caption(scene) for scene in after])
        kinds = tuple(edit.kind for edit in edits)
        layouts = self.lay_out(after), self.lay_out(before)
        return Plan(side, False, _arrays(text), *layouts, kinds)

    def lay_out(self, scenes: list[Scene]) -> Layout:
        """Return scenes as arrays."""
        return lay_out(scenes, self.variations)


class PlanStream(IterableDataset):  # type: ignore[type-arg]
    """Endless plans of a course for a training that stands at `progress`, in one process each."""

    def __init__(self, course: Course, seed: str, variations: int, factor: int) -> None:
        """Create a stream; the seed determines the plans of each process."""
        self.course, self.seed = course, seed
        self.variations, self.factor = variations, factor
        #: The share of the training that is done, 0 to 1, which the processes read.
        self.progress = multiprocessing.Value("d", 0.0)

    def __iter__(self) -> Iterator[Plan]:
        """Return the plans of this process."""
        worker = get_worker_info()
        seed = f"{self.seed} {worker.id if worker else 0}"
        planner = Planner(seed, self.variations, self.factor)
        while True:
            yield planner.next(self.course, self.progress.value)

    def ahead(self, workers: int) -> Iterator[Plan]:
        """Return plans that worker processes make ahead; without workers, one at a time."""
        # Arrays pass through pipes, because containers have little shared memory.
        return iter(DataLoader(self, batch_size=None, num_workers=workers, collate_fn=_unchanged))


def _unchanged(plan: Plan) -> Plan:
    return plan


def _arrays(text: Text) -> tuple[np.ndarray, ...]:
    return tuple(part.numpy() for part in text)
