"""The way through: a model and a prompt become pictures."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.engine.local_engine import LocalEngine
from gpustack_draw.engine.local_upscaler import LocalUpscaler
from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.address import find_server
from gpustack_draw.model import Model
from gpustack_draw.phrases import phrase
from gpustack_draw.plan import ModelPlan
from gpustack_draw.progress.callbacks import LogFunction, ProgressFunction, check_function
from gpustack_draw.request.draw_request import DrawKeywords, DrawRequest, request_of
from gpustack_draw.request.embeddings import EmbeddingKeywords, Embeddings
from gpustack_draw.request.keywords import record_of, takes_fields
from gpustack_draw.request.known_models import known_model
from gpustack_draw.request.loras import NO_LORAS, LoraKeywords, LoraOptions
from gpustack_draw.request.memory_options import MemoryKeywords, MemoryOptions
from gpustack_draw.request.model_reference import (
    HubModel,
    ModelReference,
    ServerModel,
    parse_model_reference,
)
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.place import is_drawn_on_server
from gpustack_draw.request.target import (
    ComponentKeywords,
    Components,
    Reference,
    Target,
    TargetKeywords,
)
from gpustack_draw.resolver.resolve import resolve_model

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Unpack

    from gpustack_draw.gpustack_server.deployment_plan import SizedModel
    from gpustack_draw.gpustack_server.engine import ServerEngine


class LoadKeywords(
    ComponentKeywords, EmbeddingKeywords, LoraKeywords, MemoryKeywords, TargetKeywords, total=False
):
    """Keywords of :func:`load`."""


class GenerateKeywords(
    DrawKeywords, ComponentKeywords, MemoryKeywords, TargetKeywords, total=False
):
    """Keywords of :func:`generate`."""


@takes_fields(Components, Embeddings, LoraOptions, MemoryOptions, Target)
def load(
    model: Reference,
    *,
    on_log: LogFunction | None = None,
    **options: "Unpack[LoadKeywords]",
) -> Model:
    """Find a model and prepare to draw with it.

    Args:
        model: ``demo``; ``hf.co/OWNER/REPO[:TAG]``, whose missing files are downloaded; a path to a
            model file or to a folder in diffusers layout; the name of a model on a GPUStack server;
            or a short name of :func:`gpustack_draw.known_models`. Components that a file lacks are
            found beside it, in the cache of the hub, or downloaded.
        on_log: Called with level and text of each line of the engine's log, or of the exchange
            with a server; a server's lines come from several threads.
        options: The fields of :class:`Components`, :class:`Embeddings`, :class:`LoraOptions`,
            :class:`MemoryOptions` and :class:`Target`, such as ``vae``, ``embeddings``, ``loras``,
            ``low_memory`` and ``device``.

    Returns:
        The model; its first drawing loads it.

    Raises:
        ModelNotFoundError: There is no such file or model, or a component is missing.
        ServerError: There is no server, or it does not let this machine draw.
        ModelFileError: A file cannot be used.
        FetchError: The hub cannot be asked, or refuses.
    """
    return _load(model, _LoadOptions.of(options, record_of(LoraOptions, options)), on_log)


@dataclass(frozen=True)
class _LoadOptions:
    """The records of the keywords of :func:`load`."""

    components: Components
    embeddings: Embeddings
    target: Target
    loras: LoraOptions
    memory: MemoryOptions

    @classmethod
    def of(cls, options: Mapping[str, object], loras: LoraOptions) -> "_LoadOptions":
        return cls(
            record_of(Components, options),
            record_of(Embeddings, options),
            record_of(Target, options),
            loras,
            record_of(MemoryOptions, options),
        )

    def references(self) -> list[str]:
        embeddings = [embedding.reference for embedding in self.embeddings.parsed]
        return [*self.components.named().values(), *embeddings]


def _load(model: Reference, options: _LoadOptions, on_log: LogFunction | None = None) -> Model:
    check_function(on_log, "on_log")
    reference, target = parse_model_reference(model), options.target
    known = known_model(reference)
    if known and (target.on == "local" or not find_server(target.server).is_configured):
        reference = known
    if is_drawn_on_server(reference, target.on):
        engine = _open_on_server(reference, options, on_log)
        if known and not engine.is_listed:  # it stands for a model of Hugging Face
            return _load(known.text, options, on_log)
        return Model(engine, upscaler=_upscaler_on(target, on_log))
    resolved = resolve_model(reference, options.components.named(), options.embeddings.parsed)
    local = LocalEngine(
        resolved,
        threads=target.threads,
        device=target.device,
        in_process=target.in_process,
        on_log=on_log,
        loras=options.loras,
        memory=options.memory,
    )
    if options.loras.loras:
        local.check_loras()
    return Model(local, resolved, upscaler=_upscaler_on(target, on_log))


def _open_on_server(
    reference: ModelReference, options: _LoadOptions, on_log: LogFunction | None
) -> "ServerEngine":
    from gpustack_draw.gpustack_server.engine import open_model

    assert isinstance(reference, HubModel | ServerModel)  # others are on this machine
    if options.embeddings.parsed:
        raise _no_embeddings()
    target = options.target
    return open_model(
        reference,
        find_server(target.server, target.timeout),
        size_model=_size_model,
        ignored=[
            *options.components.named(),
            *target.local_options(),
            *options.memory.chosen(),
        ],
        loras=options.loras,
        on_log=on_log,
    )


def _size_model(reference: HubModel) -> "SizedModel":
    from gpustack_draw.gpustack_server.deployment_plan import SizedModel
    from gpustack_draw.memory.estimate import estimate
    from gpustack_draw.memory.work import Work

    model = resolve_model(reference)
    width, height = model.defaults.native_size
    return SizedModel(model, estimate(Work(model=model, width=width, height=height)).peak)


def _no_embeddings() -> UsageError:
    return UsageError(
        "a GPUStack server draws without embeddings: their names in the prompt would be words",
        hint=phrase("draw on this machine with {on='local'}, or leave {embeddings} out"),
        argument="embeddings",
    )


def _upscaler_on(target: Target, on_log: LogFunction | None) -> LocalUpscaler:
    return LocalUpscaler(
        threads=target.threads,
        device=target.device,
        in_process=target.in_process,
        on_log=on_log,
    )


@takes_fields(Components, Embeddings, LoraOptions, MemoryOptions, Target)
def resolve(
    model: Reference, *, request: DrawRequest | None = None, **options: "Unpack[LoadKeywords]"
) -> ModelPlan:
    """Return the plan of drawing with a model; downloads and loads nothing.

    Args:
        model: As for :func:`load`.
        request: The request; None for a picture with the model's defaults.
        options: As for :func:`load`.

    Raises:
        DrawError: The model cannot be drawn with; see :func:`load`.
    """
    with _load(model, _LoadOptions.of(options, record_of(LoraOptions, options))) as loaded:
        return loaded.plan(request or DrawRequest(prompt=""))


# The model of the last generate() call, so that the next one costs only the drawing.
_last_model: tuple[object, Model] | None = None
_last_model_lock = threading.Lock()


def _renew_lock() -> None:
    global _last_model_lock  # noqa: PLW0603 - who held the old one is not in this process
    _last_model_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_lock)


@takes_fields(
    *(DrawRequest, PictureOptions, Components, Embeddings, MemoryOptions, Target),
    without=("count", "pictures"),
)
def generate(
    model: Reference,
    prompt: str,
    *,
    on_progress: ProgressFunction | None = None,
    preview: bool = False,
    **options: "Unpack[GenerateKeywords]",
) -> "PIL.Image.Image":
    """Draw a picture with a model: :func:`load` and :meth:`Model.generate` in one call.

    The model stays loaded, so the next call with the same model costs only the drawing; another
    model takes its place.

    Example:
        >>> generate("demo", "a red circle on a blue background", seed=7).size
        (256, 256)

    Args:
        model: As for :func:`load`.
        prompt: The prompt.
        on_progress: Called with a Progress as the work goes on. None for a line on standard error
            where that is a terminal, and for a bar and the growing picture in a notebook.
        preview: Whether ``on_progress`` receives previews of the growing picture.
        options: The other fields of :class:`DrawRequest`, but ``count``; and those of
            :class:`PictureOptions`, such as ``image``, of :class:`Components`, of
            :class:`Embeddings`, of :class:`MemoryOptions` and of :class:`Target`. Other LoRAs do
            not load the model again.

    Returns:
        An RGB picture.

    Raises:
        DrawError: Every expected failure; see ``gpustack_draw.errors`` for the kinds.
    """
    request = request_of({"prompt": prompt, **options})
    arguments = (model, _LoadOptions.of(options, NO_LORAS))
    # A name can stand for another file, or a model of another server, than in the last call.
    variables = [os.environ.get(name) for name in ("GPUSTACK_SERVER_URL", "GPUSTACK_API_KEY")]
    files = [_state_of(name) for name in (model, *arguments[1].references())]
    key = (arguments, variables, files)
    global _last_model  # noqa: PLW0603 - it belongs to the process, like the engine
    with _last_model_lock:
        if _last_model is None or _last_model[0] != key:
            loaded = _load(*arguments)
            if _last_model is not None:
                _last_model[1].close()
            _last_model = (key, loaded)
        current = _last_model[1]
    (picture,) = current.draw(request, on_progress, preview=preview)
    return picture.to_image()


def _state_of(model: Reference) -> tuple[int, ...] | None:
    """Return a fingerprint that changes when a file does; None if there is no file."""
    try:
        status = Path(model).expanduser().stat()
    except (OSError, RuntimeError, TypeError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
