"""What ``--dry-run`` and ``models`` print."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.parameters import GUIDED_FAMILIES

if TYPE_CHECKING:
    from gpustack_draw.model_plan import ModelPlan
    from gpustack_draw.request import DrawRequest

Write = Callable[[bytes], None]


def show_plan(arguments: Arguments, request: "DrawRequest", write: Write) -> int:
    """Print what drawing would fetch, load and use.

    Args:
        arguments: The command line.
        request: What to draw.
        write: Gets the output.

    Returns:
        The exit status.
    """
    import gpustack_draw

    plan = gpustack_draw.resolve(
        arguments.model,
        vae=arguments.vae,
        clip_l=arguments.clip_l,
        clip_g=arguments.clip_g,
        t5xxl=arguments.t5xxl,
        llm=arguments.llm,
        taesd=arguments.taesd,
        device=arguments.device,
        request=request,
    )
    if arguments.json:
        write(json.dumps(asdict(plan)).encode() + b"\n")
    else:
        write(describe_plan(plan).encode(errors="replace"))
    return 0


def describe_plan(plan: "ModelPlan") -> str:
    """Put a plan into lines."""
    defaults = plan.defaults
    steps = "1 step" if defaults.sample_steps == 1 else f"{defaults.sample_steps} steps"
    variant = f", {plan.variant}" if plan.variant else ""
    guidance = f", guidance {defaults.guidance:g}" if plan.family in GUIDED_FAMILIES else ""
    rows = [("", "COMPONENT", "SIZE", "HERE", "FILE")]
    told = set()
    for file in plan.files:
        place = f"hf.co/{file.repository}:{file.path}" if file.repository else file.path
        here = "yes" if file.cached else "no"
        size = "same file" if place in told else size_text(file.bytes)
        told.add(place)
        rows.append(("", file.component, size, here, place))
    lines = [
        f"model:     {plan.model} ({plan.family}{variant})",
        "files:",
        table(rows).decode().rstrip("\n"),
        f"to fetch:  {size_text(plan.fetch_bytes) if plan.fetch_bytes else 'nothing'}",
        f"memory:    about {size_text(plan.memory_bytes)}",
        (
            f"settings:  {steps}, cfg {defaults.cfg_scale:g}{guidance}, {defaults.sampler},"
            f" {defaults.scheduler}, {defaults.width}x{defaults.height}"
        ),
        f"device:    {plan.device}",
        *(f"note:      {note}" for note in plan.notes),
    ]
    return "\n".join(lines) + "\n"


def show_models(arguments: Arguments, write: Write) -> int:
    """Print what can be drawn with here.

    Args:
        arguments: The command line.
        write: Gets the output.

    Returns:
        The exit status.
    """
    import gpustack_draw

    found = gpustack_draw.models()
    if arguments.json:
        for model in found:
            record = {**asdict(model), "path": str(model.path)}
            write(json.dumps(record).encode() + b"\n")
        return 0
    rows = [("MODEL", "FAMILY", "SIZE")]
    for model in found:
        family = f"{model.family}, {model.variant}" if model.variant else model.family
        rows.append((model.model, family, size_text(model.bytes)))
    write(table(rows))
    return 0


def table(rows: Sequence[tuple[str, ...]]) -> bytes:
    """Write rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def size_text(count: int) -> str:
    """Write a number of bytes as people read it."""
    if count >= 100_000_000:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
