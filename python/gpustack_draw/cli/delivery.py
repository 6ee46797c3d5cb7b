"""Save drawn pictures, and print where they are."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.grid import Grid
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.errors import DrawError
from gpustack_draw.pictures.not_enlarged import drawn_before
from gpustack_draw.pictures.output_path import OutputPlan
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.pictures.save import encode, save_picture


class Delivery:
    """Saves the pictures of a command line.

    Attributes:
        saved: The number of pictures that are saved.
    """

    def __init__(
        self,
        arguments: Arguments,
        plans: Sequence[OutputPlan],
        grid: Grid | None,
        reporter: Reporter,
        write: Callable[[bytes], None],
    ) -> None:
        """Create it.

        Args:
            arguments: The command line.
            plans: Where the pictures of each prompt are saved.
            grid: Shows all pictures; ``None`` without ``--grid``.
            reporter: Shows the pictures and notes about them.
            write: Function that writes to standard output.
        """
        self.saved = 0
        self._arguments = arguments
        self._plans = plans
        self._grid = grid
        self._reporter = reporter
        self._write = write

    def of(self, drawn: Iterator[Picture], prompt: int, first: int) -> Iterator[Picture]:
        """Save each picture as soon as it is drawn, also one whose enlarging is ended.

        Args:
            drawn: Draws the next picture of a prompt when it is asked for.
            prompt: Index of the prompt.
            first: Index of its first picture among all.

        Yields:
            The pictures, saved.

        Raises:
            DrawError: A picture could not be drawn, enlarged or saved.
        """
        index = first
        while True:
            try:
                picture = next(drawn, None)
            except BaseException as end:
                unfinished = drawn_before(end)
                if unfinished is not None:
                    self._deliver(unfinished, self._plans[prompt], index, complete=False)
                    if not isinstance(end, DrawError):
                        self._reporter.note("the picture is saved as it was drawn, not enlarged")
                    yield unfinished
                raise
            if picture is None:
                return
            self._deliver(picture, self._plans[prompt], index)
            yield picture
            index += 1

    def finish(self, total: int) -> None:
        """Save the grid, and note how many pictures are saved if not all are.

        Args:
            total: The number of pictures of the command line.

        Raises:
            OutputError: The grid cannot be written.
        """
        if 0 < self.saved < total:
            self._reporter.note(f"{self.saved} of {total} pictures are saved")
        if self._grid is None or not self._grid.pictures:
            return
        path = self._grid.save()
        if self._grid.pictures < total:
            self._reporter.note(f"the grid has {self._grid.pictures} of {total} pictures")
        if self._plans[0].mode == "stdout":
            return
        record = {"grid": path, "pictures": self._grid.pictures}
        line = json.dumps(record).encode() if self._arguments.json else os.fsencode(path)
        self._write(line + b"\n")

    def _deliver(
        self, picture: Picture, plan: OutputPlan, index: int, *, complete: bool = True
    ) -> None:
        """Save a picture, and print where it is and how it was drawn."""
        arguments, reporter = self._arguments, self._reporter
        is_shown = reporter.show(picture)
        reporter.finish(complete=complete)
        if plan.mode == "stdout":
            self._write(encode(picture, plan.suffix))
            self._count(picture, index)
            reporter.note(picture.summary())
            if arguments.show:
                reporter.note("--show has no effect with --output -")
            return
        path = save_picture(picture, plan, index)
        self._count(picture, index)
        reporter.note(picture.summary())
        for note in picture.notes:
            reporter.note(note)
        line = _record(picture, path) if arguments.json else os.fsencode(path)
        self._write(line + b"\n")
        if arguments.show and not is_shown:
            self._open(picture, path)

    def _count(self, picture: Picture, index: int) -> None:
        self.saved += 1
        if self._grid is not None:
            self._grid.add(picture, index)

    def _open(self, picture: Picture, path: str) -> None:
        """Open a picture in a viewer, or show it in the terminal in blocks."""
        from gpustack_draw.cli.viewer import open_in_viewer

        problem = open_in_viewer(path)
        if problem and not self._reporter.show_in_blocks(picture):
            self._reporter.note(f"--show: {problem}; the picture is saved")


def _record(picture: "Picture", path: str) -> bytes:
    record = {
        "path": path,
        "model": picture.model,
        "family": picture.family,
        **asdict(picture.settings),
        "embeddings": picture.embeddings,
        "width": picture.width,
        "height": picture.height,
        "seconds": {phase: round(seconds, 3) for phase, seconds in picture.seconds.items()},
        "vae_tile": picture.vae_tile,
        "device": picture.device,
        "evaluations_skipped": picture.evaluations_skipped,
    }
    if picture.upscaled is not None:
        record |= {"upscaler": picture.upscaled.upscaler, "scale": picture.upscaled.scale}
    return json.dumps(record).encode()  # ASCII, whatever the terminal's encoding
