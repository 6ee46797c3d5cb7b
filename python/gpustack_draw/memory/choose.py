"""The choice that makes a drawing fit into the free memory, and the check before it."""

from gpustack_draw.errors import NotEnoughMemoryError, quoted
from gpustack_draw.memory.available import available_memory
from gpustack_draw.memory.estimate import estimate
from gpustack_draw.memory.memory_plan import MemoryPlan
from gpustack_draw.memory.work import Work
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.units import format_bytes


def choose(work: Work, *, loaded_bytes: int = 0) -> MemoryPlan:
    """Compare the estimated memory of a drawing with the free memory of its device.

    The plan of a drawing and the check before it both use this function.

    Args:
        work: The drawing.
        loaded_bytes: Bytes of the weights that are in memory and stay or are freed before others
            are loaded.
    """
    free = work.device.free_bytes if work.device.is_gpu else available_memory()
    return MemoryPlan(
        needed=estimate(work), free_bytes=None if free is None else free + loaded_bytes
    )


def check_memory(work: Work, plan: MemoryPlan, *, argument: str = "size") -> None:
    """Check that a drawing fits into the free memory, before anything is loaded.

    Args:
        work: The drawing.
        plan: Its memory, from :func:`choose`.
        argument: The argument that decides about the size.

    Raises:
        NotEnoughMemoryError: The estimate exceeds the free memory.
    """
    needed, free = plan.needed, plan.free_bytes
    if free is None or plan.fits:
        return
    if needed.base + needed.weights > free:
        purpose, argument = "to be loaded", "model"
        hint = "close other programs, or use a smaller quantization of the model, for example Q4_0"
    else:
        purpose = f"to draw {work.width}x{work.height}"
        hint = phrase("draw a smaller picture with {}, or close other programs", Argument(argument))
    raise NotEnoughMemoryError(
        f"{quoted(work.model.name)} needs about {format_bytes(needed.peak)} {purpose},"
        f" and {format_bytes(free)} are free",
        hint=hint,
        argument=argument,
    )
