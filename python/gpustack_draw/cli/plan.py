"""The output of ``--dry-run`` and of ``models``."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.model_names import cache_folder
from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import quoted
from gpustack_draw.request.draw_settings import describe_mode, describe_size
from gpustack_draw.request.options import describe_sampling
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    from gpustack_draw.cli.config.apply import UsedConfig
    from gpustack_draw.cli.drawings import Drawings
    from gpustack_draw.list_models import AvailableModel
    from gpustack_draw.model import Model
    from gpustack_draw.plan import ModelPlan
    from gpustack_draw.request.loras import LoraSettings

Write = Callable[[bytes], None]


def show_plan(
    model: "Model",
    drawings: "Drawings",
    write: Write,
    *,
    json_wanted: bool,
    config: "UsedConfig | None",
) -> int:
    """Print what drawing would download, load and use; then fail if drawing would.

    Args:
        model: The model.
        drawings: The drawings; of several prompts, the plan of the first is printed.
        write: Receives the output.
        json_wanted: Whether to print a JSON object instead of lines.
        config: The configuration file.

    Returns:
        The exit status.

    Raises:
        DrawError: The picture needs more memory than is free, or its files more disk space.
    """
    plan = model.plan(drawings.requests[0])
    plan = replace(plan, notes=tuple(map(with_options, (*drawings.notes, *plan.notes))))
    if json_wanted:
        used = config and {"path": config.path, "options": config.names}
        write(json.dumps({**asdict(plan), "config": used}).encode() + b"\n")
    else:
        line = f"config:    {config}\n" if config else ""
        write((describe_plan(plan) + line).encode(errors="replace"))
    drawings.check(model)
    return 0


def describe_plan(plan: "ModelPlan") -> str:
    """Format a plan as lines of text."""
    from gpustack_draw.plan import describe_memory, describe_phases

    variant = f", {plan.variant}" if plan.variant else ""
    family = f" ({plan.family}{variant})" if plan.family else ""
    lines = [
        f"model:     {plan.model}{family}",
        *(_file_lines(plan) if plan.files else ()),
        *(() if plan.source == "server" else [f"memory:    {describe_memory(plan)}"]),
        *([] if plan.memory is None else [f"phases:    {describe_phases(plan.memory)}"]),
        *([] if plan.time is None else [f"time:      {plan.time.describe()}"]),
        *(f"lora:      {_lora_text(lora)}" for lora in plan.defaults.loras),
        f"settings:  {_settings_text(plan)}",
        f"device:    {plan.device}",
        *(f"note:      {note}" for note in plan.notes),
    ]
    return "\n".join(lines) + "\n"


def _file_lines(plan: "ModelPlan") -> list[str]:
    rows = [("", "COMPONENT", "SIZE", "CACHED", "FILE")]
    listed = set()
    for file in plan.files:
        place = f"hf.co/{file.repository}:{file.path}" if file.repository else file.path
        cached = "yes" if file.cached else "no"
        size = "same file" if place in listed else format_bytes(file.bytes)
        listed.add(place)
        rows.append(("", file.component, size, cached, place))
    return [
        "files:",
        table(rows).decode().rstrip("\n"),
        f"download:  {format_bytes(plan.fetch_bytes) if plan.fetch_bytes else 'nothing'}",
    ]


def _lora_text(lora: "LoraSettings") -> str:
    words = ", ".join(map(quoted, lora.trigger_words))
    known = [
        f"{lora.name} {lora.weight:g}",
        f"{lora.applied:,} of {lora.total:,} tensors" if lora.total else "",
        f"rank {lora.rank}" if lora.rank else "",
        f"for {lora.base}" if lora.base else "",
        f"license {lora.license}" if lora.license else "",
        f"trigger words {words}" if words else "",
    ]
    return ", ".join(filter(None, known))


def _native_text(plan: "ModelPlan") -> str:
    if plan.native_size in (None, (plan.defaults.width, plan.defaults.height)):
        return ""
    return " (native: {}x{})".format(*plan.native_size)


def _settings_text(plan: "ModelPlan") -> str:
    defaults = plan.defaults
    known = [
        *describe_mode(defaults),
        *describe_sampling(defaults),
        defaults.sampler,
        defaults.scheduler,
        *describe_size(defaults, _native_text(plan)),
    ]
    return ", ".join(str(value) for value in known if value)


def show_models(arguments: Arguments, write: Write, note: Callable[[str], None]) -> int:
    """Print what can be drawn with here.

    Args:
        arguments: The command line.
        write: Receives the output.
        note: Called with the cache's folder, and with an error of the server, which does not keep
            the models of this machine from being listed.

    Returns:
        The exit status: that of the error if the server that the user named did not answer.
    """
    import gpustack_draw
    from gpustack_draw.errors import DrawError, UsageError

    found, status = gpustack_draw.models(), 0
    try:
        found += gpustack_draw.server_models(arguments.server)
    except UsageError:
        raise
    except DrawError as error:
        note(error.message)
        note(error.hint)
        status = error.exit_status
    if arguments.json:
        for model in found:
            record = {**asdict(model), "path": None if model.path is None else str(model.path)}
            write(json.dumps(record).encode() + b"\n")
        return status
    write(table([("MODEL", "FAMILY", "SIZE"), *map(_model_row, found)]))
    note(f"models of Hugging Face are in {Path(cache_folder()).absolute()}")
    return status


def show_known_models(write: Write, *, json_wanted: bool) -> int:
    """Print the models that have a short name.

    Args:
        write: Receives the output.
        json_wanted: Whether to print one JSON object per model instead of a table.

    Returns:
        The exit status.
    """
    import gpustack_draw

    known = gpustack_draw.known_models()
    if json_wanted:
        write(b"".join(json.dumps(asdict(model)).encode() + b"\n" for model in known))
        return 0
    rows = [(each.name, ", ".join(each.tasks), each.license, each.reference) for each in known]
    write(table([("NAME", "TASKS", "LICENSE", "MODEL"), *rows]))
    return 0


def _model_row(model: "AvailableModel") -> tuple[str, str, str]:
    family = f"{model.family}, {model.variant}" if model.variant else model.family
    if not model.server:
        return model.model, family, "" if model.bytes is None else format_bytes(model.bytes)
    where = f"{family} on {model.server}" if family else f"on {model.server}"
    largest = "" if model.max_size is None else "up to {}x{}".format(*model.max_size)
    return model.model, where, largest


def table(rows: Sequence[tuple[str, ...]]) -> bytes:
    """Write rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")
