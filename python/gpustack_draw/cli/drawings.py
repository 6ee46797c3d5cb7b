"""The drawings of a command line: one for each prompt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gpustack_draw.cli.delivery import Delivery
from gpustack_draw.cli.grid import Grid, plan_grid
from gpustack_draw.cli.prompts import ListedPrompt, errors_at
from gpustack_draw.cli.signals import Interruptions
from gpustack_draw.errors import EngineError, ServerError, UsageError
from gpustack_draw.pictures.output_path import OutputPlan, generated_stem, plan_output
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.options import COUNT

if TYPE_CHECKING:
    from gpustack_draw.cli.progress import Reporter
    from gpustack_draw.model import Model
    from gpustack_draw.progress.callbacks import ProgressFunction


@dataclass(frozen=True)
class Drawings:
    """The drawings of a command line.

    Attributes:
        requests: A request for each prompt, with the same seed and count.
        places: The place of each prompt in a list; an empty one for a prompt of the command line.
    """

    requests: tuple[DrawRequest, ...]
    places: tuple[str, ...] = ("",)

    @staticmethod
    def of(request: DrawRequest, prompts: tuple[ListedPrompt, ...]) -> "Drawings":
        """Return the drawings of listed prompts.

        Args:
            request: The request for the first prompt. All prompts get its seed, or the same random
                one, so that their pictures compare.
            prompts: The prompts; empty for the request's own.

        Raises:
            UsageError: There are too many pictures.
        """
        if not prompts:
            return Drawings((request,))
        total = len(prompts) * request.count
        if total > COUNT.maximum:
            raise UsageError(
                f"{len(prompts):,} prompts with {request.count:,} pictures each are {total:,}"
                f" pictures, more than {COUNT.maximum:,}",
                hint="split the list",
                argument="count",
            )
        request = request.with_seed()
        return Drawings(
            tuple(replace(request, prompt=prompt.text) for prompt in prompts),
            tuple(prompt.place for prompt in prompts),
        )

    @property
    def count(self) -> int:
        """The number of pictures."""
        return len(self.requests) * self.requests[0].count

    @property
    def notes(self) -> tuple[str, ...]:
        """A note on the number of prompts; empty for one."""
        if len(self.requests) == 1:
            return ()
        return (f"{len(self.requests)} prompts, {self.count} pictures",)

    def plan_outputs(self, path: str | None) -> tuple[OutputPlan, ...]:
        """Choose the output paths of each drawing, and check that they can be written.

        Generated names start with the number of the prompt.

        Args:
            path: The value of ``--output``.

        Raises:
            OutputError: The pictures cannot be written there.
        """
        now = datetime.now().astimezone()
        plan = plan_output(path, self.requests[0].prompt, self.count, now)
        if plan.mode != "generated" or len(self.requests) == 1:
            return (plan,) * len(self.requests)
        digits = len(str(len(self.requests)))
        return tuple(
            replace(plan, stem=f"{number:0{digits}}_{generated_stem(request.prompt, now)}")
            for number, request in enumerate(self.requests, start=1)
        )

    def plan_grid(self, path: str, plans: tuple[OutputPlan, ...]) -> Grid:
        """Choose the path of the grid of all pictures, and check that it can be written.

        Args:
            path: The value of ``--grid``.
            plans: The output paths of each drawing.

        Raises:
            OutputError: It cannot be written there.
        """
        count = self.requests[0].count
        return plan_grid(path, plans, prompts=len(self.requests), count=count)

    def check(self, model: "Model") -> tuple[str, ...]:
        """Check that each drawing fits the model and the machine.

        Returns:
            Notes on the model and the requests, each once.

        Raises:
            DrawError: A drawing does not fit; the message names the line of its prompt.
        """
        notes: dict[str, None] = {}
        for request, place in zip(self.requests, self.places, strict=True):
            with errors_at(place):
                notes |= dict.fromkeys(model.check(request))
        return tuple(notes)

    def draw(
        self, model: "Model", delivery: Delivery, reporter: "Reporter", *, preview: bool
    ) -> Iterator[Picture]:
        """Draw and deliver all pictures; a listed prompt that fails does not stop the next ones.

        Args:
            model: The model.
            delivery: Saves the pictures.
            reporter: Shows the progress and the failures.
            preview: Whether the progress has previews.

        Yields:
            The pictures, saved.

        Raises:
            DrawError: A picture could not be drawn or saved; of a list, one that stops all, or the
                number of those that failed.
        """
        failed = 0
        for number, (request, place) in enumerate(zip(self.requests, self.places, strict=True)):
            first = number * request.count
            report = reporter.progress
            try:
                drawn = model.draw(
                    request,
                    _numbered(report, first, self.count) if place else report,
                    preview=preview,
                )
                yield from delivery.of(drawn, number, first)
            except (EngineError, ServerError) as error:
                if not place or Interruptions.has_begun:
                    raise
                failed += 1
                reporter.finish(complete=False)
                reporter.failure(place, error)
        if failed:
            raise EngineError(f"{failed} of {len(self.requests)} prompts failed")


def _numbered(report: "ProgressFunction", first: int, count: int) -> "ProgressFunction":
    """Return a function that reports progress with the picture's number among all."""

    def report_numbered(progress: Progress) -> None:
        report(replace(progress, picture=first + progress.picture, pictures=count))

    return report_numbered
