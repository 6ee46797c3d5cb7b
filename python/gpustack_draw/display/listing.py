"""A list that a notebook shows as a table."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from gpustack_draw.display.html import grid

_Element = TypeVar("_Element")


class Listing(list[_Element]):
    """A list that a notebook shows as a table, with a row for each element.

    Attributes:
        columns: How to write the cells of a row, by the names of the columns.
    """

    columns: ClassVar[Mapping[str, Callable[[Any], str]]] = {}

    def _repr_html_(self) -> str:
        rows = ([write(element) for write in self.columns.values()] for element in self)
        return grid(self.columns, rows)
