"""Several pictures side by side."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from gpustack_draw.display.html import image_tag
from gpustack_draw.errors import quoted
from gpustack_draw.pictures.infotext import parse_text
from gpustack_draw.progress.pixels import Raster
from gpustack_draw.request.options import HIRES, SAMPLING_OPTIONS, SEED

if TYPE_CHECKING:
    import PIL.Image

SIDE = 192  # longer side of a picture on the page, in pixels
_MAX_PROMPT_LENGTH = 60
# Formats of the values in captions, in order.
_FORMATS = {
    "prompt": "{}",
    "negative prompt": "negative {}",
    "Model": "{}",
    SEED.parameter: "seed {}",
    **{option.parameter: option.summary for option in SAMPLING_OPTIONS},
    "Sampler": "{}",
    "Schedule type": "{}",
    "Size": "{}",
    HIRES.parameter: "hires {}",
}


class Gallery(list["PIL.Image.Image"]):
    """A list of pictures that a notebook shows side by side, captioned by their differences.

    A picture that was drawn from another one is shown beside it.

    Example:
        >>> Gallery(gpustack_draw.load("demo").generate_many("a red circle", count=4))
    """

    def __init__(self, pictures: "Iterable[PIL.Image.Image | Raster]" = ()) -> None:
        """Collect pictures.

        Args:
            pictures: Pillow images, pictures of ``Model.draw``, or previews. An iterator, such as
                that of ``generate_many``, is consumed, which draws its pictures.
        """
        super().__init__(
            picture.to_image() if isinstance(picture, Raster) else picture for picture in pictures
        )

    def _repr_html_(self) -> str:
        texts = [str(image.info.get("parameters", "")) for image in self]
        figures = map(_figure, self, texts, captions(texts))
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(figures)}</div>'


def _figure(image: "PIL.Image.Image", parameters: str, caption: str) -> str:
    before: Any = image.info.get("before")
    has_before = hasattr(before, "thumbnail")  # files can have any text of that name
    tags = [image_tag(before, SIDE, title="before")] if has_before else []
    tags.append(image_tag(image, SIDE, title=parameters))
    return (
        f'<figure style="margin:0;text-align:center;max-width:{len(tags) * SIDE}px">'
        f"{''.join(tags)}"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def captions(texts: Iterable[str]) -> list[str]:
    """Return a caption per picture: the values that differ, or the seed if none does.

    Args:
        texts: Parameters of each picture; empty if it has none.
    """
    all_values = [_values(text) for text in texts]
    differing = [
        name for name in _FORMATS if len({values.get(name) for values in all_values if values}) > 1
    ]
    return [
        ", ".join(
            _FORMATS[name].format(values[name]) for name in differing or ["Seed"] if name in values
        )
        for values in all_values
    ]


def _values(text: str) -> dict[str, str]:
    read = parse_text(text)
    if read is None:
        return {}
    prompts = {"prompt": read.prompt, "negative prompt": read.negative_prompt}
    quoted_prompts = {
        name: quoted(prompt, limit=_MAX_PROMPT_LENGTH) for name, prompt in prompts.items()
    }
    return {**read.pairs, **quoted_prompts}
