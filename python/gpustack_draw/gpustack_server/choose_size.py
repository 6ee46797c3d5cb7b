"""The size to draw on a server: that of the request, or what the model's backend reports."""

from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.backend import Backend
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import NATIVE, DrawRequest
from gpustack_draw.request.draw_settings import DEFAULT_SIZE
from gpustack_draw.units import round_up

LLAMA_BOX_MULTIPLE = 64
LLAMA_BOX_SMALLEST = 256
_MAX_MULTIPLE = 1024
_MAX_LIMIT = 1_000_000


def choose_size(
    request: DrawRequest, backend: Backend, model: RunningModel, notes: list[str]
) -> tuple[int, int] | None:
    """Choose the width and height to draw.

    Args:
        request: The request.
        backend: What draws it.
        model: The model as the server describes it.
        notes: Receives a note if the size is rounded up.

    Returns:
        The size; ``None`` for one that follows from the input pictures.

    Raises:
        UsageError: The model draws no picture of that size.
    """
    size = request.size if isinstance(request.size, tuple) else None
    if request.size == NATIVE:
        size = native_size(backend, model)
    if size is None and not request.pictures:
        size = model.size("default") or DEFAULT_SIZE
    if size is None:
        return None
    multiple, smallest = size_multiple(backend, model), 1
    if backend == "llama-box":
        smallest = LLAMA_BOX_SMALLEST
    width, height = (max(round_up(side, multiple), smallest) for side in size)
    _check_largest((width, height), size, model)
    if (width, height) != size:
        needs = (
            f"this server draws multiples of {multiple}, from {smallest}"
            if smallest > 1
            else f"this model needs multiples of {multiple}"
        )
        notes.append(f"{size[0]}x{size[1]} was rounded up to {width}x{height}: {needs}")
    return width, height


def size_multiple(backend: Backend, model: RunningModel) -> int:
    """Return the number that both sides of a drawing are rounded up to a multiple of."""
    if backend == "llama-box":
        return LLAMA_BOX_MULTIPLE
    return model.integer("size_multiple", _MAX_MULTIPLE) or 1


def native_size(backend: Backend, model: RunningModel) -> tuple[int, int] | None:
    """Return the size that a model was trained for; ``None`` if the server does not report it."""
    # The default of llama-box is the size that the family was trained for.
    return model.size("native") or (model.size("default") if backend == "llama-box" else None)


def _check_largest(rounded: tuple[int, int], size: tuple[int, int], model: RunningModel) -> None:
    limits = [model.integer(name, _MAX_LIMIT) for name in ("max_width", "max_height")]
    for side, most in zip(rounded, limits, strict=True):
        if most is not None and side > most:
            largest = "x".join(str(limit or most) for limit in limits)
            raise UsageError(
                f"'{size[0]}x{size[1]}' is too large for {model.name!r} on this server:"
                f" it draws {largest} at most",
                hint=phrase("for example {size=}", size=largest),
                argument="size",
            )
