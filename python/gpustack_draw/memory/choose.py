"""The choice that makes a drawing fit into the free memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gpustack_draw.memory.available import available_memory
from gpustack_draw.memory.estimate import estimate, estimate_host
from gpustack_draw.memory.flash_attention import has_flash_attention
from gpustack_draw.memory.memory_plan import NOTHING, MemoryPlan, PhaseBytes
from gpustack_draw.memory.weights import Weights, weights_of
from gpustack_draw.memory.work import MemoryChoices, Work
from gpustack_draw.phrases import Phrase, joined, phrase
from gpustack_draw.request.memory_options import NO_MEMORY_OPTIONS, MemoryOptions
from gpustack_draw.units import format_bytes

# Largest sides of tiles in pixels, from which the plan takes the first that fits. In smaller ones
# the VAE sees too little of a picture: their colors differ.
_SIDES = (1024, 768, 512, 384, 256)
# The sides where the user asks for tiles, whatever is free.
_SIDES_WHEN_ON = (512, 384, 256)


def choose(
    work: Work, options: MemoryOptions = NO_MEMORY_OPTIONS, *, loaded: MemoryChoices | None = None
) -> MemoryPlan:
    """Choose how a drawing fits into the free memory.

    The plan of a drawing and the check before it both use this function. It takes the first that
    fits: as it is; decoded in tiles; on a GPU, with the text encoders and the VAE on the CPU; with
    the weights in the memory of the machine. If none fits, it takes the one that needs least.

    Args:
        work: The drawing, with any choices.
        options: The options of the user, which are kept.
        loaded: Choices with which the model is loaded; ``None`` if it is not. They are kept if the
            drawing fits with them.
    """
    free = _Free.of(work, loaded)
    candidates = list(_candidates(work, options))
    weights = weights_of(replace(work, choices=candidates[0]))  # the same for all of them
    plans = [_plan(work, choices, free, weights) for choices in candidates]
    fitting = [plan for plan in plans if plan.fits is not False]
    if fitting and not options.low_memory:
        of_loaded = [plan for plan in fitting if plan.choices.loading == loaded]
        chosen = (of_loaded or fitting)[0]
    else:
        chosen = min(fitting or plans, key=lambda plan: plan.needed.peak)
    return replace(chosen, notes=_notes(plans[0], chosen, low_memory=options.low_memory))


@dataclass(frozen=True)
class _Free:
    """Free memory of the device that computes, and of the machine beside it, in bytes."""

    device: int | None
    host: int | None

    @classmethod
    def of(cls, work: Work, loaded: MemoryChoices | None) -> "_Free":
        """Return the memory that is free once the weights in memory are freed."""
        machine = available_memory()
        reported = work.device.free_bytes
        device, host = (reported, machine) if work.device.is_gpu else (machine, None)
        if work.device.is_gpu and work.device.shares_memory:
            known = [count for count in (reported, machine) if count is not None]
            device, host = min(known, default=None), None
        if loaded is None:
            return cls(device, host)
        of_device, of_host = _needed(replace(work, choices=loaded), None)
        return cls(
            None if device is None else device + of_device.weights,
            None if host is None else host + of_host.weights,
        )


def _plan(work: Work, choices: MemoryChoices, free: _Free, weights: Weights) -> MemoryPlan:
    needed, host_needed = _needed(replace(work, choices=choices), weights)
    return MemoryPlan(
        needed=needed,
        free_bytes=free.device,
        host_needed=host_needed,
        host_free_bytes=free.host,
        choices=choices,
    )


def _needed(work: Work, weights: Weights | None) -> tuple[PhaseBytes, PhaseBytes]:
    """Return the memory of the device that computes, and that of the machine beside it.

    A GPU that shares the machine's memory takes both from there.
    """
    of_device = estimate(work, weights)
    if not work.device.is_gpu:
        return of_device, NOTHING
    of_host = estimate_host(work, weights)
    return (of_device + of_host, NOTHING) if work.device.shares_memory else (of_device, of_host)


def _candidates(work: Work, options: MemoryOptions) -> Iterator[MemoryChoices]:
    """Yield the choices in the order in which they are tried."""
    has_flash = options.diffusion_fa
    if has_flash is None:
        has_flash = has_flash_attention(work.model.family, work.device)
    first = MemoryChoices(
        flash_attention=has_flash,
        clip_on_cpu=bool(options.clip_on_cpu),
        vae_on_cpu=bool(options.vae_on_cpu),
        offload=bool(options.offload_to_cpu),
        max_vram=options.max_vram,
        weight_type=options.weight_type,
    )
    sides = _sides(work, options)
    for side in sides:
        yield replace(first, vae_tile=side)
    if not work.device.is_gpu:
        return
    smallest = replace(first, vae_tile=sides[-1])
    clip = replace(smallest, clip_on_cpu=options.clip_on_cpu is not False)
    vae = replace(clip, vae_on_cpu=options.vae_on_cpu is not False)
    can_offload = options.offload_to_cpu is not False
    yield from (clip, vae)
    yield from (replace(smallest, offload=can_offload), replace(clip, offload=can_offload))


def _sides(work: Work, options: MemoryOptions) -> list[int | None]:
    """Return the sides of tiles to try, in order; ``None`` for the whole picture at once."""
    if options.vae_tile_size is not None:
        sides: tuple[int | None, ...] = (options.vae_tile_size,)
    elif options.vae_tiling == "on":
        sides = _SIDES_WHEN_ON
    else:
        sides = () if options.vae_tiling == "off" else _SIDES
        sides = (None, *sides)
    cut = [replace(work, choices=MemoryChoices(vae_tile=side)).tiles for side in sides]
    tiled = [side for side, tiles in zip(sides, cut, strict=True) if tiles is not None]
    return [None, *tiled] if None in sides or not tiled else [*tiled]


def _notes(first: MemoryPlan, chosen: MemoryPlan, *, low_memory: bool) -> tuple[str, ...]:
    """Return a sentence for what was chosen instead of the first choice; none if that fits."""
    made, before = chosen.choices, first.choices
    changes: list[Phrase] = []
    if made.vae_tile != before.vae_tile:
        changes.append(phrase("decoded in tiles of {} pixels", str(made.vae_tile)))
    if made.clip_on_cpu != before.clip_on_cpu:
        changes.append(phrase("with the text encoders on the CPU"))
    if made.vae_on_cpu != before.vae_on_cpu:
        changes.append(phrase("with the VAE on the CPU"))
    if made.offload != before.offload:
        changes.append(phrase("with the weights in the memory of the machine"))
    if not changes or not (chosen.fits or low_memory):
        return ()
    if low_memory:
        return (phrase("{}, because of {low_memory}", joined(", ", changes)),)
    assert first.free_bytes is not None  # or the first choice would have been taken
    reason = phrase(
        ", because it would need about {}, and {} are free",
        format_bytes(first.needed.peak),
        format_bytes(first.free_bytes),
    )
    return (Phrase(joined(", ", changes), reason),)
