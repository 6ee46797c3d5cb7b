"""The contact sheet of ``--grid``."""

import os
from collections.abc import Sequence

from gpustack_draw.errors import OutputError, quoted
from gpustack_draw.pictures.contact_sheet import ContactSheet, caption_of
from gpustack_draw.pictures.output_path import OutputPlan, plan_output
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.pictures.save import save_image

_MAX_LINES = 100  # rows or columns


class Grid:
    """The pictures of a command line in one file.

    Each of several prompts has a row, with the seeds in columns, unless that makes a strip.
    """

    def __init__(self, plan: OutputPlan, *, prompts: int, count: int) -> None:
        """Create a grid without pictures.

        Args:
            plan: The path of the file.
            prompts: Number of prompts.
            count: Number of pictures of each.
        """
        self._plan = plan
        self._count = count
        self._is_numbered = prompts > 1
        is_table = prompts > 1 and count > 1 and max(prompts, count) <= _MAX_LINES
        self._sheet = ContactSheet(prompts * count, count if is_table else None)

    @property
    def pictures(self) -> int:
        """The number of pictures in it."""
        return self._sheet.pictures

    def add(self, picture: Picture, index: int) -> None:
        """Add a picture, by its index among all pictures of the command line."""
        number = index // self._count + 1 if self._is_numbered else None
        settings = picture.settings
        self._sheet.add(picture, index, caption_of(settings.prompt, settings.seed, number))

    def save(self) -> str:
        """Write the file, and return its path.

        Raises:
            OutputError: It cannot be written.
        """
        return save_image(self._sheet.to_image(), self._plan)


def plan_grid(path: str, outputs: Sequence[OutputPlan], *, prompts: int, count: int) -> Grid:
    """Choose the path of a grid, and check that it can be written.

    Args:
        path: A file, which is replaced, or a folder.
        outputs: The paths of the pictures of each prompt.
        prompts: Number of prompts.
        count: Number of pictures of each.

    Raises:
        OutputError: It cannot be written there, or would replace a picture of the same run.
    """
    if path == "-":
        raise OutputError(
            "--grid - would mix the grid with other output",
            hint="for example --grid grid.png",
            argument="grid",
        )
    plan = plan_output(path, "grid", 1)
    own = outputs[0]
    numbers = range(1, prompts * count + 1) if own.mode in ("file", "numbered") else ()
    if any(os.path.realpath(own.path(number)) == plan.target for number in numbers):
        raise OutputError(
            f"--grid and --output both name {quoted(plan.path(1))}",
            hint="name another file with --grid",
            argument="grid",
        )
    return Grid(plan, prompts=prompts, count=count)
