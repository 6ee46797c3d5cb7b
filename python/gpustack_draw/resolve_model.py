"""A model reference becomes files on this machine, all of them read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import (
    ModelFileError,
    ModelNotFoundError,
    NotYetSupportedError,
    UsageError,
    quoted,
)
from gpustack_draw.families import (
    FAMILIES,
    Defaults,
    Family,
    components_inside,
    defaults_of,
    detect_family,
    is_bare_unet,
    kind_of,
    variant_of,
)
from gpustack_draw.model_checks import check_parts, fit_family
from gpustack_draw.model_folder import is_model_folder, read_model_folder
from gpustack_draw.model_header import ModelHeader, is_checkpoint, read_model_header
from gpustack_draw.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ModelReference,
    ServerModel,
    parse_model_reference,
)
from gpustack_draw.names import COMPONENTS

COMPONENT_TITLES: dict[str, str] = {
    "vae": "a VAE (which turns the result into pixels)",
    "clip_l": "the CLIP-L text encoder",
    "clip_g": "the CLIP-G text encoder",
    "t5xxl": "the T5-XXL text encoder",
    "llm": "a language model (which reads the prompt)",
    "taesd": "a tiny autoencoder (TAESD)",
}
_MODEL_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.")


@dataclass(frozen=True)
class ModelFile:
    """A file that the engine loads.

    Attributes:
        component: ``model`` for a file with the engine's own prefixes, ``diffusion_model`` for one
            with the denoiser alone, else one of :data:`gpustack_draw.names.COMPONENTS`.
        path: The file, or a folder in diffusers layout.
        bytes: Its size.
    """

    component: str
    path: Path
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A model that is ready to be loaded.

    Attributes:
        reference: What the user named.
        name: ``demo``, or the file's name without its ending; shown, and stored in pictures.
        kind: ``demo``, ``hub``, ``local`` or ``server``.
        family: Its family, with the sizes of this model.
        variant: ``turbo``, ``schnell``, ...; empty when its name says none.
        files: What to load.
        defaults: How it draws best.
        notes: For the user.
    """

    reference: ModelReference
    name: str
    kind: str
    family: Family
    variant: str
    files: tuple[ModelFile, ...]
    defaults: Defaults
    notes: tuple[str, ...] = ()

    def path_of(self, component: str) -> Path | None:
        """Give the file of a component, ``None`` when there is none of its own."""
        return next((file.path for file in self.files if file.component == component), None)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all files; one that serves as two components counts once."""
        return sum({file.path: file.bytes for file in self.files}.values())


def resolve_model(
    reference: ModelReference, components: Mapping[str, str] | None = None
) -> ResolvedModel:
    """Find a model's files and check that they can draw together.

    Reads headers only. Looks at the file system, never at the network.

    Args:
        reference: What to draw with.
        components: Files named by the user, by component (``vae``, ``clip_l``, ...).

    Raises:
        UsageError: A component has no such name.
        ModelNotFoundError: A file is missing, or a component the model cannot draw without.
        ModelFileError: A file is damaged, or is not what it is used as.
        NotYetSupportedError: The model is of a kind that this version does not draw with.
    """
    given = _read_components(components or {})
    if isinstance(reference, DemoModel):
        return _resolve_demo(reference, given)
    if isinstance(reference, LocalModel):
        return _resolve_local(reference, given)
    if isinstance(reference, HubModel):
        raise NotYetSupportedError(
            f"{quoted(reference.text)} is a model on Hugging Face,"
            " and this version cannot fetch models yet",
            hint="download its file and give the path, or draw with the model inside: demo",
        )
    raise NotYetSupportedError(
        f"{quoted(reference.text)} is neither a file here nor 'demo', so it names a model on a"
        " GPUStack server, and this version cannot draw on servers yet",
        hint="check the path of the file, or draw with the model inside: demo",
    )


@dataclass(frozen=True)
class _Given:
    """A component file that the user named. A checkpoint has no header to read."""

    file: ModelFile
    header: ModelHeader | None
    shown: str


def _resolve_demo(reference: DemoModel, given: Mapping[str, _Given]) -> ResolvedModel:
    from gpustack_draw.demo import DEFAULTS, DEMO_FILE

    if not DEMO_FILE.is_file():
        raise ModelNotFoundError(
            "the model 'demo' is missing in this installation", hint="install gpustack-draw again"
        )
    header = read_model_header(DEMO_FILE)
    family = fit_family(_family_of(header, str(DEMO_FILE)), header, str(DEMO_FILE))
    return ResolvedModel(
        reference=reference,
        name="demo",
        kind="demo",
        family=family,
        variant="",
        files=_files(ModelFile("model", DEMO_FILE, header.file_bytes), {"taesd"}, given),
        defaults=DEFAULTS,
        notes=_unused(family, given),
    )


def _resolve_local(reference: LocalModel, given: Mapping[str, _Given]) -> ResolvedModel:
    path, shown = reference.path, reference.text
    is_folder = is_model_folder(path)
    if is_folder:
        header = read_model_folder(path, shown)
    elif is_checkpoint(path, shown=shown):
        return _resolve_checkpoint(reference, given)
    else:
        header = read_model_header(path, shown=shown)
    family = _family_of(header, shown)
    _refuse_foreign_names(family, header, shown)
    name = path.resolve().name if is_folder else path.stem
    variant = variant_of(family, name)
    slot = "model" if _has_engine_names(header) else "diffusion_model"
    # The engine gives every name of such a file the denoiser's prefix: it finds nothing else in it.
    inside = components_inside(header, family) if slot == "model" else set()
    family = fit_family(family, header, shown)
    check_parts(family, header, shown, {key: (one.header, one.shown) for key, one in given.items()})
    notes = _check_complete(family, inside, set(given), shown)
    # A tiny decoder in the file does the VAE's work where there is no other.
    also = {"taesd"} if "taesd" in inside and not {"vae"} & (inside | set(given)) else set()
    return ResolvedModel(
        reference=reference,
        name=name,
        kind="local",
        family=family,
        variant=variant,
        files=_files(ModelFile(slot, path, header.file_bytes), also, given),
        defaults=defaults_of(family, variant, header),
        notes=notes + _unused(family, given),
    )


def _resolve_checkpoint(reference: LocalModel, given: Mapping[str, _Given]) -> ResolvedModel:
    path = reference.path
    words = path.stem.lower()
    family = FAMILIES["sd1"]
    if "xl" in words:
        family = FAMILIES["sdxl"]
    elif any(mark in words for mark in ("v2", "sd2", "2-1", "2.1", "sd_turbo", "sd-turbo")):
        family = FAMILIES["sd2"]
    variant = variant_of(family, path.stem)
    note = (
        f"{path.name} is a PyTorch checkpoint, which is not looked into before loading:"
        f" by its name it is taken for {family.title}"
    )
    return ResolvedModel(
        reference=reference,
        name=path.stem,
        kind="local",
        family=family,
        variant=variant,
        files=_files(ModelFile("model", path, path.stat().st_size), set(), given),
        defaults=defaults_of(family, variant),
        notes=(note,),
    )


def _family_of(header: ModelHeader, shown: str) -> Family:
    family = detect_family(header)
    if family is None:
        if is_bare_unet(header):
            raise ModelFileError(
                f"{quoted(shown)} holds the UNet of a Stable Diffusion model alone,"
                " and the engine needs its text encoders in the same file",
                hint="use an all-in-one file of the model",
            )
        kind = kind_of(header)
        if kind in COMPONENTS:
            raise ModelFileError(
                f"{quoted(shown)} is {COMPONENT_TITLES[kind]}, not a model that draws by itself",
                hint=f"name the model, and this file with {_option(kind)}",
            )
        raise ModelFileError(
            f"{quoted(shown)} is {kind or 'not of a model family that is known here'}"
            + (", not a model that draws by itself" if kind else ""),
            hint="gpustack-draw's README lists the families it draws with",
        )
    if family.why_not:
        raise NotYetSupportedError(
            f"{quoted(shown)} is of the family {family.title}: {family.why_not}",
            hint="use a text-to-image model",
        )
    return family


def _refuse_foreign_names(family: Family, header: ModelHeader, shown: str) -> None:
    if not family.unet and any(name.startswith("cond_stage_model.") for name in header.tensors):
        raise NotYetSupportedError(
            f"{quoted(shown)} names its text encoders as llama-box does (every {family.title} file"
            " of gpustack/* on Hugging Face): the engine would not find them and ignore the prompt",
            hint="this version cannot draw with it yet; use a file made for stable-diffusion.cpp",
        )


def _has_engine_names(header: ModelHeader) -> bool:
    return any(name.startswith(_MODEL_PREFIXES) for name in header.tensors)


def _check_complete(
    family: Family, inside: set[str], given: set[str], shown: str
) -> tuple[str, ...]:
    there = inside | given
    if "taesd" in there:
        there = there | {"vae"}  # it does the same work
    missing = [component for component in family.requires if component not in there]
    encoders = {"clip_l", "clip_g"} & set(missing) if family.unet else set()
    if encoders:
        raise ModelFileError(
            f"{quoted(shown)} lacks its text encoders, which the engine needs in the same file",
            hint="use an all-in-one file of the model",
        )
    if missing:
        parts = " and ".join(COMPONENT_TITLES[component] for component in missing)
        options = " ".join(f"{_option(component)} FILE" for component in missing)
        raise ModelNotFoundError(
            f"{quoted(shown)} ({family.title}) cannot draw without {parts},"
            f" {'which is' if len(missing) == 1 else 'which are'} not in the file",
            hint=f"name {'it' if len(missing) == 1 else 'them'} with {options}",
        )
    return tuple(
        f"without {COMPONENT_TITLES[component]} ({_option(component)} FILE) the picture follows"
        " the prompt less closely"
        for component in family.optional
        if component not in there
    )


def _unused(family: Family, given: Mapping[str, _Given]) -> tuple[str, ...]:
    used = {"vae", "taesd", *family.requires, *family.optional}
    return tuple(
        f"{_option(component)} has no effect: {family.title} has no use for it"
        for component in given
        if component not in used
    )


def _files(main: ModelFile, also: set[str], given: Mapping[str, _Given]) -> tuple[ModelFile, ...]:
    files = {main.component: main}
    for component in also:
        files[component] = ModelFile(component, main.path, main.bytes)
    files.update({component: one.file for component, one in given.items()})
    if "vae" in given and "taesd" not in given:
        files.pop("taesd", None)  # the VAE that the user named is the one to use
    return tuple(files.values())


def _read_components(components: Mapping[str, str]) -> dict[str, _Given]:
    given = {}
    for component, text in components.items():
        if component not in COMPONENTS:
            raise UsageError(
                f"{quoted(component)} is not a component",
                hint=f"components: {', '.join(COMPONENTS)}",
            )
        given[component] = _read_component(component, text)
    return given


def _read_component(component: str, text: str) -> _Given:
    if not text.strip():
        raise UsageError(
            f"{_option(component)} names no file: {text!r}", hint=f"type {_option(component)} FILE"
        )
    reference = parse_model_reference(text)
    if isinstance(reference, HubModel):
        raise NotYetSupportedError(
            f"{quoted(reference.text)} is a file on Hugging Face,"
            " and this version cannot fetch files yet",
            hint=f"download it, and give its path: {_option(component)} FILE",
        )
    if isinstance(reference, DemoModel | ServerModel):
        reference = LocalModel(Path(reference.text), reference.text)
    path, shown = reference.path, reference.text
    if is_checkpoint(path, shown=shown):
        return _Given(ModelFile(component, path, path.stat().st_size), None, shown)
    header = read_model_header(path, shown=shown)
    _check_kind(component, header, shown)
    return _Given(ModelFile(component, path, header.file_bytes), header, shown)


def _check_kind(component: str, header: ModelHeader, shown: str) -> None:
    kind = kind_of(header)
    if component == "taesd" and any(name.startswith("tae.decoder.") for name in header.tensors):
        return
    family = detect_family(header)
    if family is None and kind == component:
        return
    if family is not None:
        what = f"a model ({family.title})"
    elif kind in COMPONENTS:
        what = f"{COMPONENT_TITLES[kind]}"
    else:
        what = kind or "of a kind that is not known here"
    raise ModelFileError(
        f"{quoted(shown)} is {what}, not {COMPONENT_TITLES[component]}",
        hint=f"name it with {_option(kind)}"
        if kind in COMPONENTS and family is None
        else f"{_option(component)} takes {COMPONENT_TITLES[component]}",
    )


def _option(component: str) -> str:
    return "--" + component.replace("_", "-")
