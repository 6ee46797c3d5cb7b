"""A request translated for the inference backends of a GPUStack server."""

from dataclasses import dataclass
from typing import Any

from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.plan_edit import (
    LLAMA_BOX_MULTIPLE,
    LLAMA_BOX_SMALLEST,
    plan_edit,
)
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.server_errors import DRAW_LOCALLY
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_request import NATIVE, DrawRequest
from gpustack_draw.request.draw_settings import (
    DEFAULT_SAMPLER,
    DEFAULT_SIZE,
    RANDOM_SEED_END,
    DrawSettings,
)
from gpustack_draw.request.lora_tags import split_lora_tags
from gpustack_draw.request.loras import LoraOptions
from gpustack_draw.request.names import SAMPLERS
from gpustack_draw.request.options import CFG_SCALE, SAMPLE_STEPS, SAMPLING_OPTIONS
from gpustack_draw.request.sampling import effective_numbers
from gpustack_draw.units import round_up

# Limits of llama-box, the backend of GPUStack 0.x (llama-box v0.0.171).
_LLAMA_BOX_SAMPLERS = frozenset(SAMPLERS) - {"res_multistep", "res_2s", "er_sde"}
_LLAMA_BOX_SCHEDULERS = frozenset({"discrete", "karras", "exponential", "ays", "gits"})
# Default of every model if no sampler is named; once one is named, llama-box would take 10.
_LLAMA_BOX_STEPS = 20
# llama-box cuts larger seeds to 32 bits, and this one means a random seed.
_LLAMA_BOX_SEED_END = 2**32 - 1


@dataclass(frozen=True)
class ServerPlan:
    """The requests to a server.

    Attributes:
        settings: Settings of each picture, seeds counting up; ``None`` for values that the server
            chooses.
        bodies: Fields of the requests, one record per picture.
        streams: Whether the server is asked to report each step.
        notes: Notes for the user on values that are changed or have no effect.
        pictures: The input pictures, sent with each request, and how the drawings are finished;
            ``None`` without any.
    """

    settings: tuple[DrawSettings, ...]
    bodies: tuple[dict[str, Any], ...]
    streams: bool
    notes: tuple[str, ...]
    pictures: PreparedPictures | None = None

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        if self.pictures is not None:
            return self.pictures.result_size
        return self.settings[0].width, self.settings[0].height


def plan_request(request: DrawRequest, release: Release, model: RunningModel) -> ServerPlan:
    """Translate a request into requests to a server, one per picture.

    Args:
        request: The request.
        release: Release of the server.
        model: The model as the server describes it; at least its name.

    Raises:
        UsageError: The picture is larger than this model on the server allows, an input picture
            cannot be used, or the request names a LoRA or a second pass.
    """
    check_server_loras(request)
    if split_lora_tags(request.prompt).tags:
        raise _no_loras("prompt")
    if request.hires is not None:
        raise UsageError(
            phrase("{hires} has no equivalent on a server, which draws one pass"),
            hint=phrase("{}, or one pass: {hires=False}", DRAW_LOCALLY),
            argument="hires",
        )
    notes: list[str] = []
    size = request.size if isinstance(request.size, tuple) else None
    if size is None and not request.pictures:
        size = DEFAULT_SIZE
    if size is not None and release.uses_llama_box:
        size = _llama_box_size(*size, model, notes)
    edit = plan_edit(request.pictures, release, model, size) if request.pictures else None
    if edit is not None:
        notes += edit.notes
        size = edit.prepared.size
    assert size is not None
    width, height = size
    if request.size == NATIVE:
        notes.append(
            phrase(
                "{size='native'} has no effect: a server does not report it; {} is used",
                f"{width}x{height}",
            )
        )
    sampler, scheduler = _method(request, release, notes)
    sampling = _sampling(request, release, model, notes)
    first = _first_seed(request, release, notes)
    if request.cfg_scale == 1.0 and request.negative_prompt:
        notes.append(phrase("{negative_prompt} has no effect with {cfg_scale=1}"))
    common = _body(request, model.name, f"{width}x{height}", sampler, scheduler)
    if release.uses_llama_box:
        # Named along with the sampler, or llama-box would take its own number, and crash while
        # reading a form.
        common["sample_steps"] = common["num_inference_steps"] = sampling["sample_steps"]
    settings, bodies = [], []
    for seed in range(first, first + request.count):
        settings.append(
            DrawSettings(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                width=width,
                height=height,
                sampler=sampler if release.uses_llama_box else None,
                scheduler=scheduler if release.uses_llama_box else None,
                seed=seed,
                **sampling,
                **(edit.settings if edit else {}),
            )
        )
        bodies.append({**common, "seed": seed})
    return ServerPlan(
        tuple(settings),
        tuple(bodies),
        release.uses_llama_box,
        tuple(notes),
        pictures=edit.prepared if edit else None,
    )


def check_server_loras(options: LoraOptions) -> None:
    """Check that options name no LoRA, which servers load only when a model is deployed.

    Raises:
        UsageError: They do.
    """
    if options.loras:
        raise _no_loras("loras")


def _no_loras(argument: str) -> UsageError:
    return UsageError(
        "a GPUStack server draws without LoRAs that a request names",
        hint=phrase("draw on this machine with {on='local'}, or leave the LoRA out"),
        argument=argument,
    )


def _sampling(
    request: DrawRequest, release: Release, model: RunningModel, notes: list[str]
) -> dict[str, Any]:
    """Return the sampling numbers that are known: those of the request and of llama-box."""
    names = [option.name for option in SAMPLING_OPTIONS if option.server_fields]
    chosen, unused = effective_numbers(request, release.title, names)
    notes += unused
    if not release.uses_llama_box:
        return chosen
    steps = int(model.number("sampling_steps", SAMPLE_STEPS.maximum) or 0) or _LLAMA_BOX_STEPS
    cfg_scale = model.number("cfg_scale", CFG_SCALE.maximum)
    return {"sample_steps": steps, "cfg_scale": cfg_scale, **chosen}


def _body(
    request: DrawRequest,
    name: str,
    size: str,
    sampler: str | None,
    scheduler: str | None,
) -> dict[str, Any]:
    """Spell a request for every backend: each ignores the names that are another's.

    A null is not the same as nothing: llama-box stumbles over some.
    """
    numbers = {
        field: getattr(request, option.name)
        for option in SAMPLING_OPTIONS
        for field in option.server_fields
    }
    if "flux" in name.lower():
        # For FLUX it is the distilled guidance, another thing than cfg_scale.
        numbers["guidance_scale"] = request.guidance
    body: dict[str, Any] = {
        "model": name,
        "prompt": request.prompt,
        "n": 1,
        "size": size,
        "response_format": "b64_json",  # SGLang's default is an address that nobody can open
        "negative_prompt": request.negative_prompt or None,
        "sampler": sampler,
        "scheduler": scheduler,
        **numbers,
        **(_edit_fields(request) if request.pictures else {}),
    }
    return {key: value for key, value in body.items() if value is not None}


def _edit_fields(request: DrawRequest) -> dict[str, Any]:
    return {
        "strength": request.pictures.strength,
        "negative_sampler": request.negative_prompt or None,  # llama-box's name of it in forms
    }


def _llama_box_size(
    width: int, height: int, model: RunningModel, notes: list[str]
) -> tuple[int, int]:
    sides = [
        max(round_up(side, LLAMA_BOX_MULTIPLE), LLAMA_BOX_SMALLEST) for side in (width, height)
    ]
    for side, name in zip(sides, ("max_width", "max_height"), strict=True):
        most = model.number(name)
        if most is not None and side > most:
            largest = (
                f"{model.number('max_width') or most:g}x{model.number('max_height') or most:g}"
            )
            raise UsageError(
                f"'{width}x{height}' is too large for {model.name!r} on this server:"
                f" it draws {largest} at most",
                hint=phrase("for example {size=}", size=largest),
                argument="size",
            )
    if sides != [width, height]:
        notes.append(
            f"{width}x{height} was rounded up to {sides[0]}x{sides[1]}: this server draws multiples"
            f" of {LLAMA_BOX_MULTIPLE}, from {LLAMA_BOX_SMALLEST}"
        )
    return sides[0], sides[1]


def _method(
    request: DrawRequest, release: Release, notes: list[str]
) -> tuple[str | None, str | None]:
    """Choose the sampler and the scheduler to name.

    llama-box reads the seed, the steps and the rest only if a sampler is named, so it always is.
    vLLM and SGLang, the backends of GPUStack 2, have no choice of samplers. A custom backend may
    have one, so the names that the user chose are sent, and no others.
    """
    sampler, scheduler = request.sampler, request.scheduler
    if not release.uses_llama_box:
        notes += [
            phrase(
                "{} has no effect: vLLM and SGLang, which {} draws with, choose it themselves",
                Argument(argument, repr(name)),
                release.title,
            )
            for argument, name in (("sampler", sampler), ("scheduler", scheduler))
            if name is not None
        ]
        return sampler, scheduler
    sampler = sampler or DEFAULT_SAMPLER
    if sampler not in _LLAMA_BOX_SAMPLERS:
        notes.append(
            phrase("{} does not know {sampler=}: euler is used", release.title, sampler=sampler)
        )
        sampler = DEFAULT_SAMPLER
    if scheduler is not None and scheduler not in _LLAMA_BOX_SCHEDULERS:
        notes.append(
            phrase(
                "{} does not know {scheduler=}: its own is used", release.title, scheduler=scheduler
            )
        )
        scheduler = None
    return sampler, scheduler


def _first_seed(request: DrawRequest, release: Release, notes: list[str]) -> int:
    if request.seed is None:
        import secrets

        return secrets.randbelow(RANDOM_SEED_END - request.count)
    if release.uses_llama_box and request.seed + request.count > _LLAMA_BOX_SEED_END:
        notes.append(
            f"{release.title} has seeds up to {_LLAMA_BOX_SEED_END - 1}: larger ones do not give"
            " the pictures that they give elsewhere"
        )
    return request.seed
