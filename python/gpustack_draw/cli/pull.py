"""The command ``pull``: fetch a model and draw nothing."""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter

if TYPE_CHECKING:
    from gpustack_draw.model import Model


def pull(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Download every file that a model needs, and print the path of its main file.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status.

    Raises:
        DrawError: The model is not found, not supported or cannot be downloaded.
    """
    import gpustack_draw
    from gpustack_draw.errors import ModelNotFoundError, quoted
    from gpustack_draw.request.model_reference import ServerModel, parse_model_reference
    from gpustack_draw.request.names import COMPONENTS

    assert arguments.model is not None
    if isinstance(parse_model_reference(arguments.model), ServerModel):
        raise ModelNotFoundError(
            f"{quoted(arguments.model)} is neither an hf.co reference, a file nor 'demo'",
            hint="type hf.co/OWNER/REPO[:TAG]; a GPUStack server downloads its models itself",
        )
    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    model = gpustack_draw.load(
        arguments.model,
        **{name: getattr(arguments, name) for name in COMPONENTS},
        on="local",
    )
    _fetch(model, reporter)
    main = model.resolved.files[0]
    record = _record(model) if arguments.json else os.fsencode(main.path)
    write(record + b"\n")
    return 0


def _fetch(model: "Model", reporter: Reporter) -> None:
    for note in model.resolved.notes:
        reporter.note(note)
    complete = False
    try:
        notes = model.fetch(reporter.progress)
        complete = True
    finally:
        reporter.finish(complete=complete)
    for note in notes:
        reporter.note(note)
    if not model.resolved.hub_files:
        reporter.note(f"nothing to download for {model.resolved.reference.text}")


def _record(model: "Model") -> bytes:
    files = [
        {
            "component": "model" if file.component == "diffusion_model" else file.component,
            "path": str(file.path),
            "bytes": file.bytes,
        }
        for file in model.resolved.files
    ]
    record = {"model": model.resolved.reference.text, "path": files[0]["path"], "files": files}
    return json.dumps(record).encode()
