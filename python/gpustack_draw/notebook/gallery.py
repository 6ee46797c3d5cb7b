"""Several pictures side by side."""

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from gpustack_draw.notebook.html import image_tag
from gpustack_draw.raster import Raster

if TYPE_CHECKING:
    import PIL.Image

SIDE = 192  # pixels of a picture's longer side on the page


class Gallery(list["PIL.Image.Image"]):
    """A list of pictures that a notebook shows side by side, each with its seed.

    Example:
        >>> Gallery(gpustack_draw.load("demo").generate_many("a red circle", count=4))
    """

    def __init__(self, pictures: "Iterable[PIL.Image.Image | Raster]" = ()) -> None:
        """Collect pictures.

        Args:
            pictures: Pillow images, what ``Model.draw`` gives, or previews; drawn now, where they
                come from ``generate_many``.
        """
        super().__init__(
            picture.to_image() if isinstance(picture, Raster) else picture for picture in pictures
        )

    def _repr_html_(self) -> str:
        cells = "".join(_figure(image) for image in self)
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{cells}</div>'


def _figure(image: "PIL.Image.Image") -> str:
    parameters = str(image.info.get("parameters", ""))
    seed = re.search(r"\bSeed: (\d+)[^\n]*$", parameters)
    caption = f"seed {seed[1]}" if seed else ""
    return (
        f'<figure style="margin:0;text-align:center">{image_tag(image, SIDE, title=parameters)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
