"""The command ``upscale``: enlarge pictures with an upscaling model."""

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.load_keywords import parsed
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.cli.standard_output import check_standard_output
from gpustack_draw.engine.local_upscaler import LocalUpscaler
from gpustack_draw.errors import OutputError, quoted
from gpustack_draw.inputs.enlarged import enlarged_size
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.read_picture import MAX_FILE_BYTES, read_picture
from gpustack_draw.inputs.regular_file import STANDARD_INPUT
from gpustack_draw.pictures.output_path import OutputPlan, plan_output
from gpustack_draw.pictures.save import encode, save_picture
from gpustack_draw.request.options import SCALE, THREADS
from gpustack_draw.resolver.upscaler import Upscaler, find_upscaler
from gpustack_draw.units import format_bytes

if TYPE_CHECKING:
    from gpustack_draw.pictures.upscaled_picture import UpscaledPicture

Write = Callable[[bytes], None]


def upscale(arguments: Arguments, write: Write) -> int:
    """Enlarge the pictures of a command line, and print where they were saved.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status.

    Raises:
        DrawError: A picture or the model cannot be used, or a picture cannot be saved.
    """
    assert arguments.model is not None
    check_standard_output(arguments, len(arguments.pictures))
    scale = parsed(arguments.scale, SCALE.parse)
    threads = parsed(arguments.threads, THREADS.parse)
    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    model = find_upscaler(arguments.model, argument="model")
    factor = model.scale if scale is None else scale
    # Each file is read twice, so that thousands of pictures need the memory of one.
    for name in arguments.pictures:
        if name != STANDARD_INPUT:
            picture = read_picture(name)
            enlarged_size(picture.width, picture.height, factor, picture.label)
    plans = _plan_outputs(arguments, factor)
    upscaler = LocalUpscaler(
        threads=threads,
        device=arguments.device,
        on_log=reporter.log if arguments.debug else None,
    )
    for note in model.notes:
        reporter.note(note)
    if arguments.dry_run:
        if arguments.used_config is not None:
            reporter.note(f"config: {arguments.used_config}")
        _show_plan(arguments, model, upscaler, factor, write)
        return 0
    complete = False
    try:
        for note in model.fetch(reporter.progress):
            reporter.note(note)
        for index in range(len(arguments.pictures)):
            _upscale_one(arguments, index, model, upscaler, factor, plans[index], reporter, write)
        complete = True
    finally:
        reporter.finish(complete=complete)
        upscaler.close()
    return 0


def _upscale_one(
    arguments: Arguments,
    index: int,
    model: Upscaler,
    upscaler: LocalUpscaler,
    scale: float,
    plan: OutputPlan,
    reporter: Reporter,
    write: Write,
) -> None:
    name = arguments.pictures[index]
    picture, source = _read(name)
    for note in picture.notes:
        reporter.note(note)
    result = upscaler.enlarge(
        model,
        picture,
        source=source,
        scale=scale,
        on_progress=reporter.progress,
        number=index + 1,
        count=len(arguments.pictures),
    )
    reporter.finish()
    for note in result.notes:
        reporter.note(note)
    if result.image.mode == "RGBA" and plan.suffix.lower() in (".jpg", ".jpeg"):
        reporter.note("JPEG has no transparency: the transparent area is white")
    if plan.mode == "stdout":
        write(encode(result, plan.suffix))
        reporter.note(result.summary())
        return
    path = save_picture(result, plan, index if plan.mode == "numbered" else 0)
    reporter.note(result.summary())
    line = _record(result, path, name) if arguments.json else os.fsencode(path)
    write(line + b"\n")


def _read(name: str) -> tuple[InputPicture, object]:
    """Return a picture, and what its parameters are read from."""
    if name != STANDARD_INPUT:
        return read_picture(name), name
    stream: BinaryIO | None = None if sys.stdin is None else sys.stdin.buffer
    if stream is None or stream.isatty():
        return read_picture(name, standard_input=stream), b""  # raises an error
    data = stream.read(MAX_FILE_BYTES + 1)
    return read_picture(name, standard_input=io.BytesIO(data)), data


def _plan_outputs(arguments: Arguments, scale: float) -> list[OutputPlan]:
    """Return where each picture is saved; none replaces a picture that is enlarged.

    Raises:
        OutputError: A picture cannot be saved there.
    """
    names = arguments.pictures
    stems = [f"{_stem(name)}-{scale:g}x" for name in names]
    plan = plan_output(arguments.output, stems[0], len(names))
    for name in names:
        if plan.mode == "file" and _is_same(name, plan.target):
            raise OutputError(
                f"{quoted(name)} is the picture to enlarge, and would be overwritten",
                hint="name another file with --output",
            )
    if plan.mode != "generated":
        return [plan] * len(names)
    return [replace(plan, stem=stem) for stem in stems]


def _stem(name: str) -> str:
    stem = "picture" if name == STANDARD_INPUT else Path(name).stem
    return f"_{stem}" if stem.startswith("-") else stem  # which would look like an option


def _is_same(name: str, target: str) -> bool:
    try:
        return name != STANDARD_INPUT and os.path.samefile(name, target)  # noqa: PTH121
    except OSError:
        return False


def _show_plan(
    arguments: Arguments, model: Upscaler, upscaler: LocalUpscaler, scale: float, write: Write
) -> None:
    device = upscaler.device().name
    for name in arguments.pictures:
        picture, _source = _read(name)
        size = enlarged_size(picture.width, picture.height, scale, picture.label)
        memory = upscaler.memory_plan(model, picture.width, picture.height)
        if arguments.json:
            record = {
                "picture": name,
                "width": size[0],
                "height": size[1],
                "upscaler": model.name,
                "scale": scale,
                "memory_bytes": memory.needed.peak,
                "memory_free_bytes": memory.free_bytes,
                "fits": memory.fits,
                "device": device,
            }
            write(json.dumps(record).encode() + b"\n")
            continue
        verdict = {True: ", fits", False: ", does not fit", None: ""}[memory.fits]
        text = (
            f"{name}: {picture.width}x{picture.height} to {size[0]}x{size[1]} by {model.name} on"
            f" {device}, about {format_bytes(memory.needed.peak)} of memory{verdict}\n"
        )
        write(os.fsencode(text))


def _record(picture: "UpscaledPicture", path: str, name: str) -> bytes:
    width, height = picture.image.size
    record = {
        "path": path,
        "picture": name,
        "width": width,
        "height": height,
        "upscaler": picture.upscaled.upscaler,
        "scale": picture.upscaled.scale,
        "seconds": {phase: round(seconds, 3) for phase, seconds in picture.seconds.items()},
        "device": picture.device,
    }
    return json.dumps(record).encode()
