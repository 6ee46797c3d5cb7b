"""The checks of a drawing's memory before anything is loaded."""

from dataclasses import replace

from gpustack_draw.errors import NotEnoughMemoryError, UsageError, quoted
from gpustack_draw.memory.choose import choose
from gpustack_draw.memory.flash_attention import has_flash_attention
from gpustack_draw.memory.memory_plan import MemoryPlan
from gpustack_draw.memory.work import GGML_CPU, Work
from gpustack_draw.phrases import Argument, Phrase, phrase
from gpustack_draw.request.memory_options import MemoryOptions
from gpustack_draw.resolver.smaller_files import smaller_files
from gpustack_draw.resolver.tiles import has_tiles
from gpustack_draw.units import format_bytes

# The options that do nothing on a CPU, in the order in which they are checked.
_NEEDS_GPU = {
    "max_vram": "it has no memory of its own",
    "offload_to_cpu": "the weights are in its memory anyway",
    "clip_on_cpu": "the text encoders run on it anyway",
    "vae_on_cpu": "the VAE runs on it anyway",
    "diffusion_fa": "it chooses the attention by itself",
}


def check_options(work: Work, options: MemoryOptions) -> None:
    """Check that no option does nothing, or worse, for a drawing.

    Args:
        work: The drawing.
        options: The options of the user.

    Raises:
        UsageError: One does.
    """
    device, family = work.device, work.model.family
    for name, reason in _NEEDS_GPU.items():
        if getattr(options, name) and not device.is_gpu:
            raise UsageError(
                phrase("{} has no effect on {}: {}", Argument(name), device.name, reason),
                hint=phrase("leave {} out, or choose a GPU with {device}", Argument(name)),
                argument=name,
            )
    if options.vae_tiling == "on":
        _check_tiles(work)
    if options.diffusion_fa and not has_flash_attention(family, device):
        raise UsageError(
            phrase("{diffusion_fa} breaks pictures of {} on {}", family.title, device.name),
            hint=phrase("leave {diffusion_fa} out"),
            argument="diffusion_fa",
        )


def _check_tiles(work: Work) -> None:
    if not has_tiles(work.model.family):
        problem = phrase("{} draws without a VAE, so nothing is decoded", work.model.family.title)
    elif work.seamless == "both":
        problem = phrase("a picture with {tile='both'} is decoded at once, or it has a seam")
    else:
        return
    raise UsageError(
        phrase("{vae_tiling='on'} has no effect: {}", problem),
        hint=phrase("leave it out"),
        argument="vae_tiling",
    )


def check_memory(
    work: Work, plan: MemoryPlan, options: MemoryOptions, *, argument: str = "size"
) -> None:
    """Check that a drawing fits into the free memory, before anything is loaded.

    Args:
        work: The drawing.
        plan: Its memory, from :func:`gpustack_draw.memory.choose.choose`.
        options: The options of the user.
        argument: The argument that decides about the size.

    Raises:
        NotEnoughMemoryError: The estimate exceeds the free memory.
    """
    if plan.free_bytes is None or plan.fits:
        return
    needed, free, beside = plan.needed, plan.free_bytes, ""
    of_device = f" of {work.device.name}" if work.device.is_gpu else ""
    if needed.peak <= free:
        needed, free, beside = plan.host_needed, plan.host_free_bytes or 0, " beside the GPU"
        of_device = ""
    if needed.base + needed.weights > free:
        purpose, argument = "to be loaded", "model"
        hint = _hint_for_model(work, plan, options)
    else:
        purpose = f"to draw {work.width}x{work.height}"
        hint = _hint_for_size(work, plan, options, argument)
    raise NotEnoughMemoryError(
        f"{quoted(work.model.name)} needs about {format_bytes(needed.peak)}{beside} {purpose},"
        f" and {format_bytes(free)}{of_device} are free",
        hint=hint,
        argument=argument,
    )


def _hint_for_model(work: Work, plan: MemoryPlan, options: MemoryOptions) -> str:
    excess = plan.needed.peak - (plan.free_bytes or 0)
    sizes = {file.component: file.bytes for file in work.model.files}
    own = sizes.get("model", sizes.get("diffusion_model", 0))
    fitting = [file for file in smaller_files(work.model) if own - file.bytes >= excess]
    if fitting:
        needed = format_bytes(plan.needed.peak - own + fitting[0].bytes)
        return f"use {fitting[0].label}, which needs about {needed}, or {_closing(work, plan)}"
    if _fits_on_cpu(work, options):
        return phrase("draw on the CPU with {device}, or use a smaller quantization of the model")
    smaller = "use a smaller quantization of the model, for example Q4_0"
    return f"{_closing(work, plan)}, or {smaller}"


def _hint_for_size(work: Work, plan: MemoryPlan, options: MemoryOptions, argument: str) -> Phrase:
    decisive = Argument(argument)
    with_tiles = replace(options, vae_tiling="auto")
    if options.vae_tiling == "off" and choose(work, with_tiles).fits:
        return phrase("decode it in tiles with {vae_tiling='auto'}")
    if _fits_on_cpu(work, options):
        return phrase("draw a smaller picture with {}, or on the CPU with {device}", decisive)
    return phrase("draw a smaller picture with {}, or {}", decisive, _closing(work, plan))


def _closing(work: Work, plan: MemoryPlan) -> str:
    """Return the hint to free memory: that of the machine, or that of a GPU."""
    is_beside_gpu = plan.free_bytes is not None and plan.needed.peak <= plan.free_bytes
    if work.device.shares_memory or is_beside_gpu:
        return "close other programs"
    return f"close other programs that use {work.device.name}"


def _fits_on_cpu(work: Work, options: MemoryOptions) -> bool:
    """Return True for a drawing on a GPU that would fit into the memory of the machine."""
    only_tiles = MemoryOptions(vae_tiling=options.vae_tiling, weight_type=options.weight_type)
    on_cpu = replace(work, device=GGML_CPU)
    return work.device.is_gpu and choose(on_cpu, only_tiles).fits is True
