"""The parameters of an upscaled picture: those that it had, and how it was enlarged."""

from dataclasses import dataclass

from gpustack_draw.errors import UsageError
from gpustack_draw.pictures.foreign_parameters import find_foreign, json_object
from gpustack_draw.pictures.infotext import parse_text, write_pairs
from gpustack_draw.pictures.picture_texts import PictureTexts, read_texts

# Names of the web UI for pictures that its tab "Extras" has enlarged.
UPSCALER = "Postprocess upscaler"
UPSCALE_BY = "Postprocess upscale by"


@dataclass(frozen=True)
class Upscaled:
    """How a picture was enlarged.

    Attributes:
        upscaler: Name of the upscaling model.
        scale: Factor of both sides.
    """

    upscaler: str
    scale: float

    @property
    def pairs(self) -> dict[str, str]:
        """The pairs in the parameters text."""
        return {UPSCALE_BY: f"{self.scale:g}", UPSCALER: self.upscaler}


def upscaled_text(source: object, label: str, upscaled: Upscaled) -> tuple[str, tuple[str, ...]]:
    """Return the parameters text of an enlarged picture, and notes for the user.

    Args:
        source: What the picture was read from: a path, the bytes of a file, or an image of Pillow.
        label: Name of the picture in messages.
        upscaled: How it was enlarged.
    """
    pairs = write_pairs(upscaled.pairs)
    try:
        found = read_texts(source, label)
    except UsageError:  # a format whose texts are not read
        return pairs, ()
    text = _own_text(found)
    if text:
        return f"{text.rstrip()}, {pairs}", ()
    note = f"the record of how another program made {label} is not kept"
    return pairs, (note,) if find_foreign(found.texts) is not None else ()


def _own_text(found: PictureTexts) -> str:
    """Return the text in the form of web UIs; empty if there is none."""
    for candidate in found.texts:
        if not json_object(candidate.text) and parse_text(candidate.text) is not None:
            return candidate.text
    return ""
