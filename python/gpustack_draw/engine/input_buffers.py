"""Input pictures as plain memory, which travels to the engine's process behind a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from gpustack_draw.inputs.engine_pictures import EnginePictures


@dataclass(frozen=True, kw_only=True)
class InputBuffers:
    """The arrays of EnginePictures as C-contiguous memoryviews of uint8, not copied.

    Attributes:
        image: (height, width, 3): the start of image-to-image.
        mask: (height, width): 255 is redrawn, 0 is kept.
        references: (height, width, 3) each.
        control: (height, width, 3).
    """

    image: memoryview | None = None
    mask: memoryview | None = None
    references: tuple[memoryview, ...] = ()
    control: memoryview | None = None

    @classmethod
    def of(cls, pictures: EnginePictures) -> "InputBuffers":
        """Return the memory of pictures."""
        return cls(
            image=None if pictures.image is None else pictures.image.data,
            mask=None if pictures.mask is None else pictures.mask.data,
            references=tuple(array.data for array in pictures.references),
            control=None if pictures.control is None else pictures.control.data,
        )

    @classmethod
    def from_payload(
        cls, fields: Sequence[tuple[str, Sequence[int]]], payload: memoryview
    ) -> "InputBuffers":
        """Return the pictures in the payload of a message.

        Args:
            fields: The value of :attr:`fields`.
            payload: The bytes of :attr:`buffers`, one after another.
        """
        single: dict[str, memoryview] = {}
        references: list[memoryview] = []
        start = 0
        for name, shape in fields:
            end = start + prod(shape)
            buffer = payload[start:end].cast("B", list(shape))
            start = end
            if name == "references":
                references.append(buffer)
            else:
                single[name] = buffer
        return cls(references=tuple(references), **single)

    @property
    def _named(self) -> list[tuple[str, memoryview]]:
        named = [("image", self.image), ("mask", self.mask), ("control", self.control)]
        named += [("references", reference) for reference in self.references]
        return [(name, buffer) for name, buffer in named if buffer is not None]

    @property
    def fields(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes, for the fields of a message."""
        return [(name, buffer.shape or ()) for name, buffer in self._named]

    @property
    def buffers(self) -> list[memoryview]:
        """The memory, for the payload of a message, in the order of :attr:`fields`."""
        return [buffer for _name, buffer in self._named]

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Keywords of the compiled engine."""
        return {
            "image": self.image,
            "mask": self.mask,
            "references": list(self.references),
            "control": self.control,
        }
