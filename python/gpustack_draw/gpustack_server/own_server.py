"""The parts of a request that only this program's own server draws with: LoRAs, a second pass."""

from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.backend import Backend
from gpustack_draw.gpustack_server.choose_size import size_multiple
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.server_errors import DRAW_LOCALLY
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import HiresSettings
from gpustack_draw.request.file_names import stem_of
from gpustack_draw.request.hires_options import DEFAULT_HIRES_STRENGTH, DEFAULT_UPSCALER
from gpustack_draw.request.lora_tags import split_lora_tags
from gpustack_draw.request.loras import Lora, LoraSettings
from gpustack_draw.resolver.denoising_start import SCHEDULER_BESIDE_SIGMAS, denoising_start
from gpustack_draw.units import round_up

_HUB = "hf.co/"
_USUAL_STEPS = 20


def check_fields(request: DrawRequest, backend: Backend, loras: tuple[Lora, ...]) -> None:
    """Check that a backend can draw with the LoRAs and the second pass of a request.

    Raises:
        UsageError: It cannot.
    """
    if backend == "gpustack-draw":
        if request.hires is not None and request.pictures.masked_only is not None:
            raise UsageError(
                phrase("{hires} cannot enlarge a masked area that is drawn alone"),
                hint=phrase("leave {masked_only} out: then all of the picture is enlarged"),
                argument="hires",
            )
        return
    check_loras(loras, backend)
    if split_lora_tags(request.prompt).tags:
        raise _no_loras("prompt")
    if request.hires is not None:
        raise UsageError(
            phrase("{hires} has no equivalent on a server, which draws one pass"),
            hint=phrase("{}, or one pass: {hires=False}", DRAW_LOCALLY),
            argument="hires",
        )


def check_loras(loras: tuple[Lora, ...], backend: Backend) -> None:
    """Check that a backend can draw with LoRAs, which others load when a model is deployed.

    Raises:
        UsageError: It cannot.
    """
    if loras and backend != "gpustack-draw":
        raise _no_loras("loras")


def _no_loras(argument: str) -> UsageError:
    return UsageError(
        "a GPUStack server draws without LoRAs that a request names",
        hint=phrase("draw on this machine with {on='local'}, or leave the LoRA out"),
        argument=argument,
    )


def planned_loras(loras: tuple[Lora, ...], prompt: str) -> tuple[LoraSettings, ...]:
    """Return LoRAs as settings, before the server has found them."""
    tags: dict[str, float] = {}
    for tag in split_lora_tags(prompt).tags:
        tags[tag.name] = round(tags.get(tag.name, 0.0) + tag.weight, 6)
    named = {_name_of(each.reference): each for each in loras}
    settings = []
    for name in dict.fromkeys([*named, *tags]):
        lora, tag_weight = named.get(name), tags.get(name, 0.0)
        reference = "" if lora is None else lora.reference
        own = 0.0 if lora is None else lora.weight
        if own is None:
            own = 0.0 if name in tags else 1.0
        settings.append(
            LoraSettings(
                name=name,
                reference=reference if reference.startswith(_HUB) else "",
                weight=round(tag_weight + own, 6),
                tag_weight=tag_weight,
                applied=0,
                total=0,
                rank=None,
                base="",
                trigger_words=(),
                license="",
            )
        )
    return tuple(settings)


def _name_of(reference: str) -> str:
    last = reference.rpartition(":")[2] if reference.startswith(_HUB) else reference
    return stem_of(last)


def planned_hires(
    request: DrawRequest,
    size: tuple[int, int],
    steps: int | None,
    scheduler: str | None,
    model: RunningModel,
) -> HiresSettings | None:
    """Return the second pass of a request as settings; ``None`` without one.

    Args:
        request: The request.
        size: Width and height of the first pass.
        steps: Steps of the first pass; ``None`` if they are unknown.
        scheduler: Scheduler of the first pass; ``None`` if it is unknown.
        model: The model as the server describes it.
    """
    if request.hires is None:
        return None
    multiple = size_multiple("gpustack-draw", model)
    width, height = (round_up(round(side * request.hires), multiple) for side in size)
    strength = request.hires_strength
    if strength is None:
        strength = DEFAULT_HIRES_STRENGTH
    usual = denoising_start(strength, steps or _USUAL_STEPS, scheduler or SCHEDULER_BESIDE_SIGMAS)
    return HiresSettings(
        scale=request.hires,
        width=width,
        height=height,
        upscaler=request.hires_upscaler or DEFAULT_UPSCALER,
        steps=request.hires_steps or usual.run_steps,
        strength=strength,
    )
