"""Read all input pictures of a request."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.read_picture import read_picture
from gpustack_draw.inputs.regular_file import STANDARD_INPUT
from gpustack_draw.request.picture_options import PictureOptions, PictureSource

# Memory and time grow with every reference, and models were trained with a few.
MAX_PICTURES = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class SourcePictures:
    """The input pictures of a request, read.

    Attributes:
        options: How they are used.
        images: The pictures of ``options.image``.
        references: The pictures of ``options.ref_image``.
        mask: The picture of ``options.mask``, which is the first one of ``images`` for ``"alpha"``;
            ``None`` without a mask.
        control: The picture of ``options.control_image``; ``None`` without one.
    """

    options: PictureOptions
    images: tuple[InputPicture, ...] = ()
    references: tuple[InputPicture, ...] = ()
    mask: InputPicture | None = None
    control: InputPicture | None = None

    @property
    def read_options(self) -> PictureOptions:
        """The options with the pictures themselves, which are not read again."""
        options = self.options
        return replace(
            options,
            image=self.images,
            ref_image=self.references,
            mask=options.mask if options.mask_is_alpha else self.mask,
            control_image=self.control,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on how the files were read."""
        pictures = dict.fromkeys((*self.images, *self.references, self.mask, self.control))
        return tuple(note for picture in pictures if picture for note in picture.notes)


def read_pictures(
    options: PictureOptions, *, standard_input: BinaryIO | None = None
) -> SourcePictures:
    """Read the input pictures of a request.

    Args:
        options: The pictures and how they are used.
        standard_input: Stream that the path ``-`` stands for; ``None`` if it is a file's name.

    Raises:
        UsageError: One cannot be read or is not a picture; or there are too many.
    """
    count = len(options.image) + len(options.ref_image)
    if count > MAX_PICTURES:
        raise UsageError(
            f"{count} pictures are too many: a drawing can have {MAX_PICTURES} at most",
            hint="models were trained with one to four",
            argument="image" if len(options.image) > MAX_PICTURES else "ref_image",
        )
    masks = () if options.mask is None or options.mask_is_alpha else (options.mask,)
    controls = () if options.control_image is None else (options.control_image,)
    sources = (*options.image, *options.ref_image, *masks, *controls)
    if standard_input is not None and sum(map(_is_standard_input, sources)) > 1:
        raise UsageError(
            "standard input cannot be two pictures",
            hint="save one of them to a file first",
            argument="image",
        )
    read = _Reader(standard_input)
    images = read.all("image", options.image, "picture")
    own_masks = images[:1] if options.mask_is_alpha else ()
    return SourcePictures(
        options=options,
        images=images,
        references=read.all("ref_image", options.ref_image, "reference picture"),
        mask=next(iter((*own_masks, *read.all("mask", masks, "mask"))), None),
        control=next(iter(read.all("control_image", controls, "control picture")), None),
    )


def _is_standard_input(source: PictureSource) -> bool:
    return isinstance(source, str) and source == STANDARD_INPUT


@dataclass(frozen=True)
class _Reader:
    standard_input: BinaryIO | None

    def all(
        self, argument: str, sources: Iterable[PictureSource], role: str
    ) -> tuple[InputPicture, ...]:
        """Read the pictures of an argument, whose name goes into errors."""
        listed = list(sources)
        pictures = []
        for number, source in enumerate(listed, 1):
            try:
                picture = read_picture(
                    source,
                    role=role if len(listed) == 1 else f"{role} {number}",
                    standard_input=self.standard_input,
                    allow_gray=argument == "mask",
                )
            except UsageError as error:
                error.argument = argument
                raise
            if picture.argument != argument:
                picture = replace(picture, argument=argument)
            pictures.append(picture)
        return tuple(pictures)
