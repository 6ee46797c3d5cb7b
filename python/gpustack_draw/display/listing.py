"""A list that a notebook shows as a table."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from gpustack_draw.display.html import grid

_Element = TypeVar("_Element")


class Listing(list[_Element]):
    """A list that a notebook shows as a table, one row per element.

    Attributes:
        columns: Functions that return the cells of an element, by name of the column.
    """

    columns: ClassVar[Mapping[str, Callable[[Any], str]]] = {}

    def _repr_html_(self) -> str:
        rows = ([cell_text(element) for cell_text in self.columns.values()] for element in self)
        return grid(self.columns, rows)
