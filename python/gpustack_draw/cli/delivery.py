"""Save drawn pictures, and print where they are."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.pictures.not_enlarged import NotEnlargedError
from gpustack_draw.pictures.output_path import OutputPlan
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.pictures.save import encode, save_picture


@dataclass(frozen=True)
class Delivery:
    """Saves the pictures of a command line.

    Attributes:
        arguments: The command line.
        plan: Where the pictures are saved.
        reporter: Shows the pictures and notes about them.
        write: Function that writes to standard output.
    """

    arguments: Arguments
    plan: OutputPlan
    reporter: Reporter
    write: Callable[[bytes], None]

    def of(self, drawn: Iterator[Picture]) -> Iterator[Picture]:
        """Save each picture as soon as it is drawn, also one that could not be enlarged.

        Args:
            drawn: Draws the next picture when it is asked for.

        Yields:
            The pictures, saved.

        Raises:
            DrawError: A picture could not be drawn, enlarged or saved.
        """
        index = 0
        while True:
            try:
                picture = next(drawn, None)
            except NotEnlargedError as error:
                self._deliver(error.picture, index)
                yield error.picture
                raise
            if picture is None:
                return
            self._deliver(picture, index)
            yield picture
            index += 1

    def _deliver(self, picture: Picture, index: int) -> None:
        """Save a picture, and print where it is and how it was drawn."""
        arguments, reporter = self.arguments, self.reporter
        is_shown = reporter.show(picture)
        reporter.finish()
        if self.plan.mode == "stdout":
            self.write(encode(picture, self.plan.suffix))
            reporter.note(picture.summary())
            if arguments.show:
                reporter.note("--show has no effect with --output -")
            return
        path = save_picture(picture, self.plan, index)
        reporter.note(picture.summary())
        for note in picture.notes:
            reporter.note(note)
        line = _record(picture, path) if arguments.json else os.fsencode(path)
        self.write(line + b"\n")
        if arguments.show and not is_shown:
            self._open(picture, path)

    def _open(self, picture: Picture, path: str) -> None:
        """Open a picture in a viewer, or show it in the terminal in blocks."""
        from gpustack_draw.cli.viewer import open_in_viewer

        problem = open_in_viewer(path)
        if problem and not self.reporter.show_in_blocks(picture):
            self.reporter.note(f"--show: {problem}; the picture is saved")


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
        "device": picture.device,
        "evaluations_skipped": picture.evaluations_skipped,
    }
    if picture.upscaled is not None:
        record |= {"upscaler": picture.upscaled.upscaler, "scale": picture.upscaled.scale}
    return json.dumps(record).encode()  # ASCII, whatever the terminal's encoding
