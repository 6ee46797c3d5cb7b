"""A request translated for the inference backends of a GPUStack server."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gpustack_draw.gpustack_server.backend import Backend, backend_of
from gpustack_draw.gpustack_server.choose_method import Method, choose_method
from gpustack_draw.gpustack_server.choose_size import choose_size, native_size
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.own_server import (
    check_fields,
    planned_hires,
    planned_loras,
)
from gpustack_draw.gpustack_server.plan_edit import plan_edit
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.request_body import write_body, write_own_body
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import NATIVE, DrawRequest
from gpustack_draw.request.draw_settings import RANDOM_SEED_END, DrawSettings
from gpustack_draw.request.loras import Lora
from gpustack_draw.request.options import CFG_SCALE, GUIDANCE, SAMPLE_STEPS, SAMPLING_OPTIONS
from gpustack_draw.request.sampling import effective_numbers

# Default of every model if no sampler is named; once one is named, llama-box would take 10.
_LLAMA_BOX_STEPS = 20
# llama-box cuts larger seeds to 32 bits, and this one means a random seed.
_LLAMA_BOX_SEED_END = 2**32 - 1


@dataclass(frozen=True)
class ServerPlan:
    """The requests to a server.

    Attributes:
        backend: What draws the pictures.
        settings: Settings of each picture, seeds counting up; ``None`` for values that the server
            chooses.
        bodies: Fields of the requests, one record per picture.
        notes: Notes for the user on values that are changed or have no effect.
        stream: Fields that ask the server to report each step; empty if it cannot.
        pictures: The input pictures, sent with each request, and how the drawings are finished;
            ``None`` without any.
    """

    backend: Backend
    settings: tuple[DrawSettings, ...]
    bodies: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    stream: Mapping[str, Any] = field(default_factory=dict)
    pictures: PreparedPictures | None = None

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        drawn = self.settings[0].hires or self.settings[0]
        if self.pictures is not None and drawn is self.settings[0]:
            return self.pictures.result_size
        return drawn.width, drawn.height

    @property
    def repeats_cut_streams(self) -> bool:
        """True if a stream without a picture was lost with its replica, and is repeated."""
        return self.backend == "gpustack-draw"


def plan_request(
    request: DrawRequest,
    release: Release,
    model: RunningModel,
    *,
    loras: tuple[Lora, ...] = (),
    preview: bool = False,
) -> ServerPlan:
    """Translate a request into requests to a server, one per picture.

    Args:
        request: The request.
        release: Release of the server.
        model: The model as the server describes it; at least its name.
        loras: The LoRAs of a request that names none.
        preview: Whether to ask for previews of the growing pictures.

    Raises:
        UsageError: The picture is larger than this model on the server allows, an input picture
            cannot be used, or the request names something that only this program's own server
            draws with.
    """
    backend = backend_of(release, model)
    loras = loras if request.loras is None else request.loras
    check_fields(request, backend, loras)
    notes: list[str] = []
    if request.lora_dir is not None:
        notes.append(phrase("{lora_dir} has no effect: the picture is drawn on a server"))
    size = choose_size(request, backend, model, notes)
    edit = None
    if request.pictures:
        edit = plan_edit(request.pictures, backend, release, model, size)
        notes += edit.notes
        size = edit.prepared.size
    assert size is not None
    text = f"{size[0]}x{size[1]}"
    if request.size == NATIVE and native_size(backend, model) is None:
        notes.append(
            phrase("{size='native'} has no effect: a server does not report it; {} is used", text)
        )
    method = choose_method(request, backend, release, model, notes)
    chosen, defaults = _sampling(request, backend, release, model, method, notes)
    first = _first_seed(request, backend, release, notes)
    sampling = {**defaults, **chosen}
    cfg_scale = sampling.get("cfg_scale") if backend == "gpustack-draw" else request.cfg_scale
    if cfg_scale == 1.0 and request.negative_prompt:
        notes.append(phrase("{negative_prompt} has no effect with {cfg_scale=1}"))
    if backend == "gpustack-draw":
        mask_blur = edit.mask_blur if edit else None
        body = write_own_body(request, model.name, text, method, chosen, loras, mask_blur)
    else:
        body = write_body(request, model.name, text, method)
    if backend == "llama-box":
        # Named along with the sampler, or llama-box would take its own number, and crash while
        # reading a form.
        body["sample_steps"] = body["num_inference_steps"] = sampling["sample_steps"]
    settings = DrawSettings(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=size[0],
        height=size[1],
        sampler=method.used_sampler,
        scheduler=method.used_scheduler,
        seed=first,
        loras=planned_loras(loras, request.prompt),
        hires=planned_hires(
            request, size, sampling.get("sample_steps"), method.used_scheduler, model
        ),
        **sampling,
        **(edit.settings if edit else {}),
    )
    seeds = range(first, first + request.count)
    return ServerPlan(
        backend,
        settings=tuple(replace(settings, seed=seed) for seed in seeds),
        bodies=tuple({**body, "seed": seed} for seed in seeds),
        notes=tuple(notes),
        stream=_stream(backend, model, preview=preview),
        pictures=edit.prepared if edit else None,
    )


def _stream(backend: Backend, model: RunningModel, *, preview: bool) -> dict[str, Any]:
    """Return the fields that ask for a stream with the progress of the drawing."""
    if backend == "llama-box":
        return {"stream": True}
    if model.meta.get("streams") is not True:
        return {}
    if backend != "gpustack-draw":
        return {"stream": True}
    options = {"progress": True, **({"previews": True} if preview else {})}
    return {"stream": True, "stream_options": options}


def _sampling(
    request: DrawRequest,
    backend: Backend,
    release: Release,
    model: RunningModel,
    method: Method,
    notes: list[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sampling numbers of the request, and the backend's own where they are known."""
    is_own = backend == "gpustack-draw"
    names = [option.name for option in SAMPLING_OPTIONS if option.server_fields or is_own]
    used = (method.used_sampler, method.used_scheduler) if is_own else ()
    chosen, unused = effective_numbers(request, release.title, names, *used)
    notes += unused
    if backend == "other":
        return chosen, {}
    steps = model.integer("sampling_steps", int(SAMPLE_STEPS.maximum))
    if backend == "llama-box":
        steps = steps or _LLAMA_BOX_STEPS
    if "sigmas" in chosen:
        steps = len(chosen["sigmas"]) - 1
    guidance = model.number("guidance", GUIDANCE.maximum) if is_own else None
    cfg_scale = model.number("cfg_scale", CFG_SCALE.maximum)
    return chosen, {"sample_steps": steps, "cfg_scale": cfg_scale, "guidance": guidance}


def _first_seed(request: DrawRequest, backend: Backend, release: Release, notes: list[str]) -> int:
    if request.seed is None:
        import secrets

        return secrets.randbelow(RANDOM_SEED_END - request.count)
    if backend == "llama-box" and request.seed + request.count > _LLAMA_BOX_SEED_END:
        notes.append(
            f"{release.title} has seeds up to {_LLAMA_BOX_SEED_END - 1}: larger ones do not give"
            " the pictures that they give elsewhere"
        )
    return request.seed
