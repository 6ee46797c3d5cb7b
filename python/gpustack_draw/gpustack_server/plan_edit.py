"""The input pictures of a request, prepared for the inference backends of a GPUStack server.

llama-box, the backend of GPUStack 0.x, starts from one picture, and redraws the white area of a
gray mask (v0.0.171, httpserver.hpp). vLLM-Omni and SGLang, the backends of GPUStack 2, look at one
or several pictures and read neither a mask nor a strength. A custom backend may read a mask, by its
transparency as OpenAI defines it or by its brightness as the playground draws it; the mask that is
sent means the same to both. This program's own server reads everything, and does with ``--image``
what the model was trained for, as its metadata tell. Every finished picture equals the original
outside of the mask, whatever the backend has drawn there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.gpustack_server.backend import Backend
from gpustack_draw.gpustack_server.choose_size import (
    LLAMA_BOX_MULTIPLE,
    LLAMA_BOX_SMALLEST,
    native_size,
    size_multiple,
)
from gpustack_draw.gpustack_server.form import FormFile
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.server_errors import DRAW_LOCALLY
from gpustack_draw.inputs.drawn_part import blur_of
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.paste import Paste
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.png_file import write_png, write_transparent_mask
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.inputs.source_pictures import SourcePictures, read_pictures
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_request import MAX_SIDE
from gpustack_draw.request.draw_settings import DEFAULT_SIZE
from gpustack_draw.request.options import MASK_BLUR
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.resolver.choose_pictures import PictureRoles
from gpustack_draw.resolver.plan_drawing import picture_settings, prepare_roles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# llama-box's default of --image-max-width and --image-max-height.
_LLAMA_BOX_MAX_SIDE = 1024
# Pixels; the editing models of vLLM and SGLang were trained with about one megapixel, and they need
# multiples of 8 or 16.
_NEW_SIZE = (1024, 1024)
_NEW_MULTIPLE = 16
# Backends that need not read what they are sent.
_FOREIGN: tuple[Backend, ...] = ("custom", "other")


@dataclass(frozen=True, kw_only=True, eq=False)
class EditPlan:
    """The input pictures of a request to a server.

    Attributes:
        prepared: The pictures, and how the drawing is finished.
        settings: Values of fields of :class:`DrawSettings`.
        notes: Notes for the user.
        mask_blur: Blur of the mask that is sent to this program's own server, in pixels of the
            drawing; ``None`` without a mask.
    """

    prepared: PreparedPictures
    settings: dict[str, Any]
    notes: tuple[str, ...]
    mask_blur: int | None = None


def plan_edit(
    options: PictureOptions,
    backend: Backend,
    release: Release,
    model: RunningModel,
    size: tuple[int, int] | None,
) -> EditPlan:
    """Read and prepare the input pictures of a request.

    Args:
        options: The pictures, at least one, and how they are used.
        backend: What draws.
        release: Release of the server.
        model: The model as the server describes it.
        size: Width and height to draw; ``None`` for those that follow from the first picture.

    Raises:
        UsageError: A picture cannot be read, or the server cannot use it.
    """
    _refuse(options, backend, release)
    sources = read_pictures(options)
    roles = _choose_roles(options, sources, backend, model)
    prepared = prepare_roles(options, roles, _rules(backend, model), size)
    mask_blur = None
    if backend == "gpustack-draw" and prepared.paste is not None:
        prepared, mask_blur = _for_own_server(prepared, prepared.paste, blur_of(options))
    return EditPlan(
        prepared=prepared,
        mask_blur=mask_blur,
        settings={
            "mode": roles.mode,
            "strength": roles.strength,
            "references": len(roles.references),
            "pictures": picture_settings(options, roles),
        },
        notes=(
            *sources.notes,
            *prepared.notes,
            *(_notes_on_new_backends(options, release) if backend in _FOREIGN else ()),
        ),
    )


def _for_own_server(
    prepared: PreparedPictures, paste: Paste, blur: int
) -> tuple[PreparedPictures, int]:
    """Return pictures for a server that blends the border of the mask itself, and its blur.

    A drawing that is scaled to be pasted is blended here, too: only the original is sharp there.
    """
    left, _top, right, _bottom = paste.box
    width = right - left
    if prepared.size[0] == width:
        return replace(prepared, paste=paste.of_blended()), blur
    return prepared, min(round(blur * prepared.size[0] / width), int(MASK_BLUR.maximum))


def _refuse(options: PictureOptions, backend: Backend, release: Release) -> None:
    """Refuse what a backend cannot do.

    Raises:
        UsageError: It cannot use one of the pictures.
    """
    if options.control_image is not None and backend != "gpustack-draw":
        raise UsageError(
            "a control picture cannot be sent to a server",
            hint=DRAW_LOCALLY,
            argument="control_image",
        )
    if backend in _FOREIGN and options.expand is not None:
        raise UsageError(
            f"{release.title} cannot expand a picture: vLLM and SGLang, which it draws with,"
            " read no masks",
            hint=DRAW_LOCALLY,
            argument="expand",
        )
    if backend != "llama-box":
        return
    if options.ref_image:
        raise UsageError(
            f"{release.title} takes no reference pictures",
            hint=phrase("name one picture with {image} to start from it"),
            argument="ref_image",
        )
    if len(options.image) > 1:
        raise UsageError(
            f"{release.title} starts from one picture, and {len(options.image)} are named",
            hint=phrase("name one with {image}"),
            argument="image",
        )


def _choose_roles(
    options: PictureOptions, sources: SourcePictures, backend: Backend, model: RunningModel
) -> PictureRoles[InputPicture]:
    """Decide what each picture is for."""
    if backend == "gpustack-draw":
        return _choose_own_roles(options, sources, model)
    is_masked = options.mask is not None or options.expand is not None
    references = (*sources.images, *sources.references)
    if backend != "llama-box" and not is_masked:
        return PictureRoles(mode="edit", references=references)
    strength = None
    if backend == "llama-box":
        strength = model.number("strength", 1) if options.strength is None else options.strength
    return PictureRoles(
        mode="inpaint" if is_masked else "img2img",
        start=sources.images[0],
        references=references[1:],
        mask=sources.mask,
        strength=strength,
    )


def _choose_own_roles(
    options: PictureOptions, sources: SourcePictures, model: RunningModel
) -> PictureRoles[InputPicture]:
    """Decide what each picture is for, as this program's own server does."""
    is_masked = options.mask is not None or options.expand is not None
    images, references, control = sources.images, sources.references, sources.control
    if not images or not (is_masked or options.strength is not None):
        use = model.one_of("image_use", ("start", "reference", "control")) or "reference"
        if use == "control" and images and control is None:
            control, images = images[0], images[1:]
        if use != "start" or not images:
            references = (*images, *references)
            return PictureRoles(
                mode="edit" if references else "control", references=references, control=control
            )
    if len(images) > 1:
        raise UsageError(
            f"{quoted(model.name)} starts from one picture, and {len(images)} are named",
            hint=phrase("name it with {image}, and the others with {ref_image}"),
            argument="image",
        )
    return PictureRoles(
        mode="inpaint" if is_masked else "img2img",
        start=images[0],
        references=references,
        mask=sources.mask,
        control=control,
        strength=model.number("strength", 1) if options.strength is None else options.strength,
    )


def _rules(backend: Backend, model: RunningModel) -> PictureRules:
    largest = [model.integer(name, MAX_SIDE) for name in ("max_width", "max_height")]
    if backend != "llama-box":
        own = size_multiple(backend, model) if backend == "gpustack-draw" else _NEW_MULTIPLE
        return PictureRules(
            size_multiple=own,
            native_size=native_size(backend, model) or model.size("default") or _NEW_SIZE,
            max_side=min(side or MAX_SIDE for side in largest),
            reference_multiple=_NEW_MULTIPLE,
        )
    max_side = min(side or _LLAMA_BOX_MAX_SIDE for side in largest)
    width, height = (
        min(model.integer(name, MAX_SIDE) or side, max_side)
        for name, side in zip(("default_width", "default_height"), DEFAULT_SIZE, strict=True)
    )
    return PictureRules(
        size_multiple=LLAMA_BOX_MULTIPLE,
        native_size=(width, height),
        min_side=LLAMA_BOX_SMALLEST,
        max_side=max_side,
    )


def form_files(pictures: EnginePictures, backend: Backend) -> tuple[FormFile, ...]:
    """Return the files of a form: upright RGB pictures without metadata, and the mask."""
    start = () if pictures.image is None else (pictures.image,)
    if backend == "gpustack-draw":
        images, references = (start, pictures.references) if start else (pictures.references, ())
        files = (*_numbered("image", images), *_numbered("ref_image", references))
        if pictures.control is not None:
            files += _numbered("control_image", (pictures.control,))
    else:
        images = (*start, *pictures.references)
        # OpenAI's client names the field like this; vLLM and SGLang read both names.
        field = "image" if len(images) == 1 else "image[]"
        files = tuple(FormFile(field, write_png(pixels)) for pixels in images)
    if pictures.mask is None:
        return files
    write_mask = write_png if backend == "llama-box" else write_transparent_mask
    return (*files, FormFile("mask", write_mask(pictures.mask)))


def _numbered(field: str, pictures: "Sequence[Pixels]") -> tuple[FormFile, ...]:
    """Return files with a name each: GPUStack passes on only the last one of a name."""
    if len(pictures) == 1:
        return (FormFile(field, write_png(pictures[0])),)
    return tuple(
        FormFile(f"{field}[{number}]", write_png(pixels)) for number, pixels in enumerate(pictures)
    )


def _notes_on_new_backends(options: PictureOptions, release: Release) -> tuple[str, ...]:
    notes: list[str] = []
    if options.strength is not None:
        notes.append(
            phrase(
                "{} has no effect: vLLM and SGLang, which {} draws with, do not read it",
                Argument("strength", f"{options.strength:g}"),
                release.title,
            )
        )
    if options.mask is not None:
        notes.append(
            f"vLLM and SGLang, which {release.title} draws with, do not read the mask: they change"
            " the whole picture, and the masked area of it is used"
        )
    count = len(options.image) + len(options.ref_image)
    if count > 1:
        notes.append(
            f"{count} pictures are sent: a server of {release.title} without its gateway passes on"
            " only the last one"
        )
    return tuple(notes)
