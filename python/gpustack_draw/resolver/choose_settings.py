"""A request and a model become settings: the model fills in what the request leaves open."""

from gpustack_draw.errors import UsageError
from gpustack_draw.phrases import phrase
from gpustack_draw.request.draw_request import NATIVE, DrawRequest
from gpustack_draw.request.draw_settings import (
    DEFAULT_SAMPLER,
    DEFAULT_SIZE,
    DrawSettings,
    random_seed,
)
from gpustack_draw.resolver.choose_prompts import notes_on_prompts
from gpustack_draw.resolver.choose_sampling import choose_sampling
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import round_up

# Pictures of this many times more, or fewer, pixels than the model was trained on come out badly.
FAR_FROM_NATIVE = 2.0


def choose_settings(
    request: DrawRequest, model: ResolvedModel
) -> tuple[list[DrawSettings], tuple[str, ...]]:
    """Fill in what the request leaves to the model.

    Args:
        request: What to draw.
        model: The model, with its defaults.

    Returns:
        The settings of each picture, seeds counting up; and notes for the user on what was changed
        or has no effect.

    Raises:
        UsageError: The size, rounded up, is larger than the model can draw; or a sampling option
            does not fit the model; or a weight in a prompt is wrong.
    """
    width, height, size_notes = choose_size(request, model)
    notes = list(size_notes)
    sampler = request.sampler or DEFAULT_SAMPLER
    scheduler, sampling, more = choose_sampling(request, model, sampler)
    notes += more
    is_guided = not {sampling["cfg_scale"], sampling.get("img_cfg_scale")} <= {1.0, None}
    names = model.embedding_names
    notes += notes_on_prompts(request, model.family, is_guided=is_guided, embeddings=names)
    seed = random_seed() if request.seed is None else request.seed
    settings = [
        DrawSettings(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=width,
            height=height,
            sampler=sampler,
            scheduler=scheduler,
            seed=seed + index,
            **sampling,
        )
        for index in range(request.count)
    ]
    return settings, tuple(notes)


def choose_size(request: DrawRequest, model: ResolvedModel) -> tuple[int, int, tuple[str, ...]]:
    """Choose the size of a drawing without input pictures.

    Returns:
        Width and height, multiples of what the model needs; and notes for the user.

    Raises:
        UsageError: The size, rounded up, is larger than the model can draw.
    """
    multiple = model.family.size_multiple
    native_width, native_height = model.defaults.native_size
    if isinstance(request.size, tuple):
        typed_width, typed_height = request.size
    elif request.size == NATIVE or model.source == "demo":
        typed_width, typed_height = native_width, native_height
    else:
        typed_width, typed_height = DEFAULT_SIZE
    width, height = (round_up(side, multiple) for side in (typed_width, typed_height))
    if max(width, height) > model.family.max_side:
        rounded = "" if (width, height) == (typed_width, typed_height) else f" ({width}x{height})"
        raise UsageError(
            f"'{typed_width}x{typed_height}'{rounded} is too large for this model:"
            f" a side can have {model.family.max_side} pixels at most",
            hint=phrase("for example {size=}", size=f"{native_width}x{native_height}"),
            argument="size",
        )
    notes = []
    if (width, height) != (typed_width, typed_height):
        notes.append(
            f"{typed_width}x{typed_height} was rounded up to {width}x{height}:"
            f" this model needs multiples of {multiple}"
        )
    smallest_width, smallest_height = model.defaults.smallest_size or model.defaults.native_size
    fewest = smallest_width * smallest_height / FAR_FROM_NATIVE
    most = native_width * native_height * FAR_FROM_NATIVE
    if not fewest <= width * height <= most:
        notes.append(
            phrase(
                "this model was trained for {}, so {} can look wrong: try {size='native'}",
                f"{native_width}x{native_height}",
                f"{width}x{height}",
            )
        )
    return width, height, tuple(notes)
