"""The sampler and the scheduler of a drawing on a server."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.gpustack_server.backend import Backend
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DEFAULT_SAMPLER
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

# Names of llama-box v0.0.171.
_LLAMA_BOX_SAMPLERS = frozenset(SAMPLERS) - {"res_multistep", "res_2s", "er_sde"}
_LLAMA_BOX_SCHEDULERS = frozenset({"discrete", "karras", "exponential", "ays", "gits"})


@dataclass(frozen=True)
class Method:
    """The sampler and the scheduler of a drawing; ``None`` where the backend chooses.

    Attributes:
        sampler: The sampler that the request names.
        scheduler: The scheduler that it names.
        used_sampler: The sampler that is used; ``None`` if it is unknown.
        used_scheduler: The scheduler, likewise.
    """

    sampler: str | None
    scheduler: str | None
    used_sampler: str | None
    used_scheduler: str | None


def choose_method(
    request: DrawRequest,
    backend: Backend,
    release: Release,
    model: RunningModel,
    notes: list[str],
) -> Method:
    """Choose the sampler and the scheduler to name; a backend may use others than it is sent.

    Args:
        request: The request.
        backend: What draws it.
        release: Release of the server.
        model: The model as the server describes it.
        notes: Receives notes on names that are not used, or may not be.

    Raises:
        UsageError: The server reports its samplers or schedulers, and the name is none of them.
    """
    if backend == "llama-box":
        return _for_llama_box(request, release, notes)
    sampler, scheduler = request.sampler, request.scheduler
    if backend == "other":
        notes += [
            phrase(
                "{} may have no effect: vLLM and SGLang, which {} draws with, choose it themselves",
                Argument(argument, repr(name)),
                release.title,
            )
            for argument, name in (("sampler", sampler), ("scheduler", scheduler))
            if name is not None
        ]
        return Method(sampler, scheduler, None, None)
    _check(sampler, model.names("samplers"), "sampler", model)
    _check(scheduler, model.names("schedulers"), "scheduler", model)
    own_scheduler = model.one_of("schedule_method", SCHEDULERS)
    if request.sigmas is not None:  # they take the place of the scheduler
        own_scheduler = None
    return Method(
        sampler,
        scheduler,
        sampler or model.one_of("sample_method", SAMPLERS),
        scheduler or own_scheduler,
    )


def _for_llama_box(request: DrawRequest, release: Release, notes: list[str]) -> Method:
    """Name a sampler in any case: without one, llama-box reads neither seed nor steps."""
    sampler, scheduler = request.sampler or DEFAULT_SAMPLER, request.scheduler
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
    return Method(sampler, scheduler, sampler, scheduler)


def _check(name: str | None, known: Sequence[str], argument: str, model: RunningModel) -> None:
    if name is not None and known and name not in known:
        raise UsageError(
            f"{quoted(model.name)} on this server has no {argument} {quoted(name)}",
            hint=f"it has {', '.join(known)}",
            argument=argument,
        )
