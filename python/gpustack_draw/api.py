"""The way through: a model and a prompt become pictures."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.engine.local_engine import LocalEngine
from gpustack_draw.gpustack_server.address import find_server
from gpustack_draw.model import Model, Size
from gpustack_draw.plan import ModelPlan
from gpustack_draw.progress.callbacks import LogFunction, ProgressFunction, check_function
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.model_reference import HubModel, ServerModel, parse_model_reference
from gpustack_draw.request.name_types import Sampler, Scheduler
from gpustack_draw.request.place import is_drawn_on_server
from gpustack_draw.request.target import Components, Reference, Target
from gpustack_draw.resolver.resolve import resolve_model

if TYPE_CHECKING:
    import PIL.Image


def load(
    model: Reference,
    *,
    vae: Reference | None = None,
    clip_l: Reference | None = None,
    clip_g: Reference | None = None,
    t5xxl: Reference | None = None,
    llm: Reference | None = None,
    taesd: Reference | None = None,
    threads: int | None = None,
    device: str = "auto",
    in_process: bool = False,
    on: str = "auto",
    server: str | None = None,
    timeout: float | None = None,
    on_log: LogFunction | None = None,
) -> Model:
    """Find a model and prepare to draw with it.

    Args:
        model: ``demo``; ``hf.co/OWNER/REPO[:TAG]``, whose missing files are downloaded; a path to a
            model file or to a folder in diffusers layout; or the name of a model on a GPUStack
            server. Components that a file lacks are found beside it, in the cache of the
            hub, or fetched.
        vae: Path or hf.co reference of the VAE, in place of the one found. The next five
            components are given in the same way.
        clip_l: A CLIP-L text encoder.
        clip_g: A CLIP-G text encoder.
        t5xxl: A T5-XXL text encoder.
        llm: A language model that encodes the text (FLUX.2, Qwen-Image, Z-Image).
        taesd: A small decoder, faster than the VAE.
        threads: CPU threads, 1 to 512; None for one per core.
        device: ``auto`` for the first GPU, else the CPU; or a name that ``devices()`` lists.
        in_process: Run the engine in this process instead of its own. It starts a little faster,
            but a failed check in the engine then ends this process, and on a GPU Ctrl-C has to
            wait for the step to end.
        on: Where to draw: ``auto`` (on the server with a server's model, here with all others),
            ``local`` or ``server``, where an hf.co model is deployed first by the first drawing.
        server: The GPUStack server's address; None for ``GPUSTACK_SERVER_URL``, else
            ``http://127.0.0.1``. Its key is in ``GPUSTACK_API_KEY``.
        timeout: Seconds to wait for a picture of a server, and for a deployment without progress;
            None for 1800 and 300.
        on_log: Called with level and text of each line of the engine's log, or of the exchange
            with a server; a server's lines come from several threads.

    Returns:
        The model; its first drawing loads it.

    Raises:
        ModelNotFoundError: There is no such file or model, or a component is missing.
        ServerError: There is no server, or it does not let this machine draw.
        ModelFileError: A file cannot be used.
        FetchError: The hub cannot be asked, or refuses.
    """
    components = Components(
        vae=vae, clip_l=clip_l, clip_g=clip_g, t5xxl=t5xxl, llm=llm, taesd=taesd
    )
    target = Target(
        on=on, server=server, timeout=timeout, threads=threads, device=device, in_process=in_process
    )
    return _load(model, components, target, on_log)


def _load(
    model: Reference, components: Components, target: Target, on_log: LogFunction | None = None
) -> Model:
    check_function(on_log, "on_log")
    reference = parse_model_reference(model)
    named = components.named()
    if is_drawn_on_server(reference, target.on):
        from gpustack_draw.gpustack_server.engine import open_model

        assert isinstance(reference, HubModel | ServerModel)  # others are on this machine
        ignored = [*named, *target.local_options()]
        address = find_server(target.server, target.timeout)
        return Model(open_model(reference, address, ignored=ignored, on_log=on_log))
    resolved = resolve_model(reference, named)
    engine = LocalEngine(
        resolved,
        threads=target.threads,
        device=target.device,
        in_process=target.in_process,
        on_log=on_log,
    )
    return Model(engine, resolved)


def resolve(
    model: Reference,
    *,
    vae: Reference | None = None,
    clip_l: Reference | None = None,
    clip_g: Reference | None = None,
    t5xxl: Reference | None = None,
    llm: Reference | None = None,
    taesd: Reference | None = None,
    device: str = "auto",
    on: str = "auto",
    server: str | None = None,
    timeout: float | None = None,
    request: DrawRequest | None = None,
) -> ModelPlan:
    """Return what drawing with a model would fetch, load and use; fetches and loads nothing.

    Args:
        model: As for :func:`load`.
        vae: As for :func:`load`, and so the next five.
        clip_l: A CLIP-L text encoder.
        clip_g: A CLIP-G text encoder.
        t5xxl: A T5-XXL text encoder.
        llm: A language model that encodes the text.
        taesd: A small decoder.
        device: Device on this machine; see :func:`load`.
        on: As for :func:`load`, and so the next two.
        server: The GPUStack server.
        timeout: Seconds to wait for it.
        request: The request; None for a picture with the model's defaults.

    Raises:
        DrawError: The model cannot be drawn with; see :func:`load`.
    """
    components = Components(
        vae=vae, clip_l=clip_l, clip_g=clip_g, t5xxl=t5xxl, llm=llm, taesd=taesd
    )
    target = Target(on=on, server=server, timeout=timeout, device=device)
    with _load(model, components, target) as loaded:
        return loaded.plan(request or DrawRequest(prompt=""))


# The model of the last generate() call, so that the next one costs only the drawing.
_last_model: tuple[object, Model] | None = None
_last_model_lock = threading.Lock()


def _renew_lock() -> None:
    global _last_model_lock  # noqa: PLW0603 - who held the old one is not in this process
    _last_model_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_lock)


def generate(
    model: Reference,
    prompt: str,
    *,
    negative_prompt: str | None = None,
    size: Size | None = None,
    sampler: Sampler | str | None = None,
    scheduler: Scheduler | str | None = None,
    sample_steps: int | None = None,
    cfg_scale: float | None = None,
    guidance: float | None = None,
    seed: int | None = None,
    vae: Reference | None = None,
    clip_l: Reference | None = None,
    clip_g: Reference | None = None,
    t5xxl: Reference | None = None,
    llm: Reference | None = None,
    taesd: Reference | None = None,
    threads: int | None = None,
    device: str = "auto",
    in_process: bool = False,
    on: str = "auto",
    server: str | None = None,
    timeout: float | None = None,
    on_progress: ProgressFunction | None = None,
    preview: bool = False,
) -> "PIL.Image.Image":
    """Draw a picture with a model: :func:`load` and :meth:`Model.generate` in one call.

    The model stays loaded, so the next call with the same model costs only the drawing; another
    model takes its place.

    Example:
        >>> generate("demo", "a red circle on a blue background", seed=7).size
        (256, 256)

    Args:
        model: ``demo``; ``hf.co/OWNER/REPO[:TAG]``, whose missing files are downloaded; a path to a
            model file or to a folder in diffusers layout; or the name of a model on a GPUStack
            server.
        prompt: The prompt.
        negative_prompt: What to avoid.
        size: Pixels.
        sampler: A sampler's name.
        scheduler: A scheduler's name.
        sample_steps: Sampling steps.
        cfg_scale: Classifier-free guidance.
        guidance: Distilled guidance of FLUX models.
        seed: Makes the picture repeatable.
        vae: A component, see :func:`load`, and so the next five.
        clip_l: A CLIP-L text encoder.
        clip_g: A CLIP-G text encoder.
        t5xxl: A T5-XXL text encoder.
        llm: A language model that encodes the text.
        taesd: A small decoder.
        threads: CPU threads.
        device: Where to draw.
        in_process: Run the engine in this process.
        on: Where to draw: ``auto``, ``local`` or ``server``; see :func:`load`, also for the next.
        server: The GPUStack server's address.
        timeout: Seconds that it may take.
        on_progress: Called with a Progress as the work goes on. None for a line on standard error
            where that is a terminal, and for a bar and the growing picture in a notebook.
        preview: Whether ``on_progress`` receives previews of the growing picture.

    Returns:
        An RGB picture.

    Raises:
        DrawError: Every expected failure; see ``gpustack_draw.errors`` for the kinds.
    """
    components = Components(
        vae=vae, clip_l=clip_l, clip_g=clip_g, t5xxl=t5xxl, llm=llm, taesd=taesd
    )
    target = Target(
        on=on, server=server, timeout=timeout, threads=threads, device=device, in_process=in_process
    )
    arguments = (model, components, target)
    # A name can stand for another file, or a model of another server, than in the last call.
    variables = [os.environ.get(name) for name in ("GPUSTACK_SERVER_URL", "GPUSTACK_API_KEY")]
    files = [_state_of(name) for name in (model, *components.named().values())]
    key = (arguments, variables, files)
    global _last_model  # noqa: PLW0603 - it belongs to the process, like the engine
    with _last_model_lock:
        if _last_model is None or _last_model[0] != key:
            loaded = _load(*arguments)
            if _last_model is not None:
                _last_model[1].close()
            _last_model = (key, loaded)
        current = _last_model[1]
    return current.generate(
        prompt,
        negative_prompt=negative_prompt,
        size=size,
        sampler=sampler,
        scheduler=scheduler,
        sample_steps=sample_steps,
        cfg_scale=cfg_scale,
        guidance=guidance,
        seed=seed,
        on_progress=on_progress,
        preview=preview,
    )


def _state_of(model: Reference) -> tuple[int, ...] | None:
    """Return a fingerprint that changes when a file does; None if there is no file."""
    try:
        status = Path(model).expanduser().stat()
    except (OSError, RuntimeError, TypeError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
