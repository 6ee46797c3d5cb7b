"""HTML for pictures and tables."""

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image


def image_tag(image: "PIL.Image.Image", side: int, *, title: str = "") -> str:
    """Return an ``img`` tag that contains a picture.

    Args:
        image: The picture.
        side: Longer side on the page in pixels. Larger pictures are scaled down, because notebooks
            store their output.
        title: Tooltip and alternative text.
    """
    small = image.convert("RGB")
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "WEBP", quality=85)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    scale = side / max(image.size)
    width, height = (max(round(length * scale), 1) for length in image.size)
    return (
        f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}"'
        f' alt="{escape(title)}" title="{escape(title)}">'
    )


def grid(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table with a header row."""
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in names)
    lines = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: str) -> str:
    return f'<td style="text-align:left">{escape(value)}</td>'


def table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values with a caption."""
    lines = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>{_cell(value)}</tr>'
        for name, value in rows
    )
    caption = f'<caption style="text-align:left;white-space:nowrap">{escape(title)}</caption>'
    return f"<table>{caption}{lines}</table>"
