"""Plan the drawing of a request: its settings, and its input pictures as the engine needs them."""

from contextlib import suppress
from dataclasses import dataclass, replace

from gpustack_draw.errors import ModelFileError, UsageError, quoted
from gpustack_draw.inputs.drawn_part import blur_of
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.picture_rules import PictureRules
from gpustack_draw.inputs.prepare_pictures import PreparedPictures, prepare_pictures
from gpustack_draw.inputs.source_pictures import SourcePictures, read_pictures
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import (
    DEFAULT_CONTROL_STRENGTH,
    DrawSettings,
    PictureSettings,
)
from gpustack_draw.request.picture_options import NO_PICTURES, PictureOptions
from gpustack_draw.resolver.choose_cache import choose_cache
from gpustack_draw.resolver.choose_pictures import NamedPictures, PictureRoles, choose_pictures
from gpustack_draw.resolver.choose_settings import choose_settings, choose_size
from gpustack_draw.resolver.plan_hires import find_hires_upscaler, plan_hires
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.upscaler import Upscaler

# Pixels; cpp/engine/input_pictures.h checks it for all families.
ENGINE_REFERENCE_MULTIPLE = 16
# Stem of the files in repositories of diffusers.
_USUAL_STEM = "diffusion_pytorch_model"

Roles = PictureRoles[InputPicture]


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """A request with everything that its model decides.

    Attributes:
        settings: Settings of each picture, seeds counting up.
        pictures: The input pictures; ``None`` for none.
        explanation: How the pictures of ``--image`` are used; may be empty.
        notes: Notes for the user on what was changed or has no effect.
        upscaler: The upscaling model of the second pass; ``None`` for none.
    """

    settings: tuple[DrawSettings, ...]
    pictures: PreparedPictures | None = None
    explanation: str = ""
    notes: tuple[str, ...] = ()
    upscaler: Upscaler | None = None

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        settings = self.settings[0]
        if settings.hires is not None:
            return settings.hires.width, settings.hires.height
        if self.pictures is not None:
            return self.pictures.result_size
        return settings.width, settings.height

    @property
    def plan_notes(self) -> tuple[str, ...]:
        """The notes of a plan, which also explains what a drawing just does."""
        return (self.explanation, *self.notes) if self.explanation else self.notes


def plan_drawing(request: DrawRequest, model: ResolvedModel) -> Drawing:
    """Fill in what a request leaves to the model, plan both passes, and prepare input pictures.

    Args:
        request: What to draw.
        model: The model.

    Raises:
        UsageError: A value or a picture does not fit the model, or a picture cannot be read.
        ModelFileError: The model's VAE cannot encode pictures.
    """
    drawing = _with_cache(_plan_first_pass(request, model), model)
    if request.hires is None:
        return drawing
    upscaler = find_hires_upscaler(request)
    hires, notes = plan_hires(request, drawing.settings[0], model, upscaler)
    if not hires.is_latent:
        check_encoder(model)
    settings = tuple(replace(each, hires=hires) for each in drawing.settings)
    notes = (*drawing.notes, *notes)
    return replace(drawing, settings=settings, notes=notes, upscaler=upscaler)


def _plan_first_pass(request: DrawRequest, model: ResolvedModel) -> Drawing:
    sources = read_pictures(request.pictures)
    roles = choose_pictures(model.family, _named(sources))
    if not request.pictures:
        settings, notes = choose_settings(request, model)
        return Drawing(settings=tuple(settings), notes=(*roles.notes, *notes))
    size: tuple[int, int] | None = None
    size_notes: tuple[str, ...] = ()
    if request.size is not None:
        width, height, size_notes = choose_size(request, model)
        size = width, height
    prepared = prepare_roles(request.pictures, roles, _rules_of_roles(model, roles), size)
    settings, notes = choose_settings(
        replace(request, size=prepared.size, pictures=NO_PICTURES), model
    )
    of_pictures = picture_settings(request.pictures, roles, _control_net(model))
    control_strength = request.pictures.control_strength
    if control_strength is None:
        control_strength = DEFAULT_CONTROL_STRENGTH
    all_notes = (*roles.notes, *sources.notes, *prepared.notes, *size_notes, *notes)
    return Drawing(
        settings=tuple(
            replace(
                each,
                mode=roles.mode,
                strength=roles.strength,
                references=len(roles.references),
                control_strength=control_strength if of_pictures.control_net else None,
                pictures=of_pictures,
            )
            for each in settings
        ),
        pictures=prepared,
        explanation=roles.explanation,
        notes=tuple(dict.fromkeys(all_notes)),
    )


def _with_cache(drawing: Drawing, model: ResolvedModel) -> Drawing:
    cache, notes = choose_cache(drawing.settings[0], model.family)
    settings = tuple(replace(each, cache=cache) for each in drawing.settings)
    return replace(drawing, settings=settings, notes=(*drawing.notes, *notes))


def _named(sources: SourcePictures) -> NamedPictures[InputPicture]:
    return NamedPictures(
        images=sources.images,
        references=sources.references,
        mask=sources.mask,
        control=sources.control,
        control_strength=sources.options.control_strength,
        strength=sources.options.strength,
        expands=sources.options.expand is not None,
    )


def _control_net(model: ResolvedModel) -> str:
    """Return the name of a model's ControlNet for the parameters of a picture; empty for none."""
    file = next((file for file in model.files if file.component == "control_net"), None)
    if file is None:
        return ""
    if file.hub_file is not None and file.path.stem == _USUAL_STEM:
        return file.hub_file.repository.rpartition("/")[2]
    return file.path.stem


def _rules_of_roles(model: ResolvedModel, roles: Roles) -> PictureRules:
    # A ControlNet reads the pixels of its picture, all others read what the VAE encodes.
    is_encoded = roles.start is not None or bool(roles.references)
    has_net = model.family.pictures.control_net
    return rules_of(model, encodes_pictures=is_encoded or not has_net)


def rules_of(model: ResolvedModel, *, encodes_pictures: bool = True) -> PictureRules:
    """Return the sizes that a model needs of its pictures.

    Args:
        model: The model.
        encodes_pictures: Whether it needs the encoder of its VAE for them.

    Raises:
        ModelFileError: Its VAE cannot encode pictures.
    """
    if encodes_pictures:
        check_encoder(model)
    family = model.family
    return PictureRules(
        size_multiple=family.size_multiple,
        native_size=model.defaults.native_size,
        max_side=family.max_side,
        reference_multiple=max(family.pictures.reference_multiple, ENGINE_REFERENCE_MULTIPLE),
        reference_pixels=family.pictures.reference_pixels,
        references_as_drawn="reference" in family.pictures.concatenated,
    )


def check_encoder(model: ResolvedModel) -> None:
    """Check that a model can read pictures.

    Raises:
        ModelFileError: Its VAE cannot encode them.
    """
    family = model.family
    if model.decoder_only:
        raise ModelFileError(
            f"{quoted(model.decoder_only)} has no encoder, with which {family.title} reads"
            " pictures",
            hint=phrase("name a complete VAE with {vae}"),
            argument="vae",
        )
    if family.pictures.unscaled and any(file.component == "taesd" for file in model.files):
        raise ModelFileError(
            f"{family.title} cannot read pictures through a tiny autoencoder",
            hint=phrase("leave {taesd} out"),
            argument="taesd",
        )


def prepare_roles(
    options: PictureOptions, roles: Roles, rules: PictureRules, size: tuple[int, int] | None
) -> PreparedPictures:
    """Prepare the pictures; a size that would also follow from them changes nothing.

    So the size that is recorded in a picture draws it again from the same pictures.

    Args:
        options: How the pictures are used.
        roles: What each picture is for.
        rules: The sizes that the model needs.
        size: Width and height to draw; ``None`` for those that follow from the pictures.

    Raises:
        UsageError: The pictures do not fit each other or the model.
    """

    def prepare(size: tuple[int, int] | None) -> PreparedPictures:
        return prepare_pictures(
            options,
            rules,
            start=roles.start,
            references=roles.references,
            mask=roles.mask,
            control=roles.control,
            size=size,
        )

    if size is not None and options.fit is None:
        with suppress(UsageError):
            prepared = prepare(None)
            if prepared.size == size:
                return prepared
    return prepare(size)


def picture_settings(
    options: PictureOptions, roles: Roles, control_net: str = ""
) -> PictureSettings:
    """Return the settings that record how pictures are used, by their digests.

    Args:
        options: How the pictures are used.
        roles: What each picture is for.
        control_net: Name of the ControlNet's file; empty for none.
    """
    is_masked = roles.mask is not None or options.expand is not None
    return PictureSettings(
        image_hash=_hash(roles.start),
        mask_hash=_hash(roles.mask),
        reference_hashes=tuple(map(_hash, roles.references)),
        control_hash=_hash(roles.control),
        control_net=control_net if roles.control is not None else "",
        canny=options.canny,
        mask_invert=options.mask_invert,
        mask_blur=blur_of(options) if is_masked else None,
        masked_only=None if options.masked_only is None else int(options.masked_only),
        expand=None if options.expand is None else options.sides,
        fit=options.fit,
    )


def _hash(picture: InputPicture | None) -> str:
    return "" if picture is None else picture.short_hash
