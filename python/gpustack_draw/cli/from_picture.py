"""What a picture tells of how it was drawn: for ``--from``, which draws so again, and ``show``."""

import json
import os
from collections.abc import Callable, Iterator

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.names import SAMPLERS, SCHEDULERS
from gpustack_draw.parameters_reader import Parameters, read_parameters
from gpustack_draw.resolved_model import option_of

# Of a picture of another program, these say nothing that a drawing could follow.
_SAY_NOTHING = ("Version", "Model hash", "Model reference")


def fill_in(arguments: Arguments) -> tuple[str, ...]:
    """Give every argument that was not typed the value that the picture of ``--from`` tells.

    Args:
        arguments: The command line, with ``--from``; changed.

    Returns:
        Notes for the user.

    Raises:
        UsageError: The picture cannot be read, or what it tells does not do.
    """
    path = arguments.from_picture
    assert path is not None
    told = read_parameters(path)
    sampling = {"sampler": (told.sampler, SAMPLERS), "scheduler": (told.scheduler, SCHEDULERS)}
    for option, (name, known) in sampling.items():
        if getattr(arguments, option) is None and name and name not in known:
            raise UsageError(
                f"{quoted(path)} was drawn with the {option} {quoted(name)},"
                " which the engine does not have",
                hint=f"choose one that it has: --{option} {', '.join(known)}",
            )
    values = {
        "model": told.reference or None,
        "prompt": told.prompt,
        "negative_prompt": told.negative_prompt,
        "size": told.size and "{}x{}".format(*told.size),
        "sampler": told.sampler or None,
        "scheduler": told.scheduler or None,
        "sample_steps": told.sample_steps,
        "cfg_scale": told.cfg_scale,
        "seed": told.seed,
    }
    _check_model(arguments, told, path)
    for argument, value in values.items():
        if getattr(arguments, argument) is None and value is not None:
            setattr(arguments, argument, str(value))
    return tuple(_notes(arguments, told, path))


def _notes(arguments: Arguments, told: Parameters, path: str) -> Iterator[str]:
    """Tell why the picture can come out as another one."""
    missing = [option_of(name) for name in told.given if getattr(arguments, name) is None]
    if missing:
        yield f"{quoted(path)} was drawn with {', '.join(missing)}, and does not tell which file"
    unheeded = [name for name in told.others if name not in _SAY_NOTHING]
    if unheeded and not told.is_of_this_program:
        yield f"of {quoted(path)}, the drawing does not heed: {', '.join(unheeded)}"


def _check_model(arguments: Arguments, told: Parameters, path: str) -> None:
    """Refuse what would draw with no model, or with one that was meant as a prompt."""
    first = arguments.model
    if first is None and not told.reference:
        of_name = f" was drawn with the model {quoted(told.model)}, and does not tell where that is"
        raise UsageError(
            quoted(path) + (of_name if told.model else " does not tell the model"),
            hint="name it, too: gpustack-draw MODEL --from PICTURE",
        )
    is_prompt = first is not None and " " in first and not os.path.lexists(first)
    if is_prompt and arguments.prompt is None:
        model = told.reference or "MODEL"
        raise UsageError(
            f"{quoted(first)} is taken for the model: the first word is",
            hint=f"put the model before the prompt: gpustack-draw {model} PROMPT --from PICTURE",
        )


def show_parameters(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Print how a picture was drawn.

    Args:
        arguments: The command line of ``show``.
        write: Gets the output.

    Returns:
        The exit status.

    Raises:
        UsageError: The picture cannot be read, or does not tell.
    """
    told = read_parameters(arguments.picture)
    write((_record(told) if arguments.json else _lines(told).encode(errors="replace")) + b"\n")
    return 0


def _record(told: Parameters) -> bytes:
    width, height = told.size or (None, None)
    record = {
        "model": told.model,
        "reference": told.reference,
        "seed": told.seed,
        "width": width,
        "height": height,
        "sampler": told.sampler,
        "scheduler": told.scheduler,
        "sample_steps": told.sample_steps,
        "cfg_scale": told.cfg_scale,
        "prompt": told.prompt,
        "negative_prompt": told.negative_prompt,
        "given": list(told.given),
        "others": dict(told.others),
        "text": told.text,
    }
    return json.dumps(record).encode()


def _lines(told: Parameters) -> str:
    values = {
        "prompt": told.prompt,
        "negative prompt": told.negative_prompt,
        "model": told.reference or told.model,
        "seed": told.seed,
        "size": told.size and "{}x{}".format(*told.size),
        "sampler": told.sampler,
        "scheduler": told.scheduler,
        "sample steps": told.sample_steps,
        "cfg scale": told.cfg_scale,
        "named parts": " ".join(told.given),
        **told.others,
    }
    known = {name: str(value) for name, value in values.items() if value not in (None, "")}
    width = max(len(name) for name in known) + 2
    return "\n".join(
        f"{name}:".ljust(width) + _printable(value).replace("\n", "\n" + " " * width)
        for name, value in known.items()
    )


def _printable(text: str) -> str:
    # A stranger's picture shall not send the terminal orders.
    keep = str.isprintable
    return "".join(mark if keep(mark) or mark == "\n" else repr(mark)[1:-1] for mark in text)
