"""The command ``pull``: download a model without drawing."""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter

if TYPE_CHECKING:
    from gpustack_draw.model import Model
    from gpustack_draw.resolver.resolved_model import ResolvedModel


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
    resolved = model.resolved
    assert resolved is not None  # it is on this machine
    for note in resolved.notes:
        reporter.note(note)
    _fetch(model, reporter)
    if not resolved.hub_files:
        reporter.note(f"nothing to download for {resolved.reference.text}")
    record = _record(resolved) if arguments.json else os.fsencode(resolved.files[0].path)
    write(record + b"\n")
    return 0


def _fetch(model: "Model", reporter: Reporter) -> None:
    complete = False
    try:
        notes = model.fetch(reporter.progress)
        complete = True
    finally:
        reporter.finish(complete=complete)
    for note in notes:
        reporter.note(note)


def _record(model: "ResolvedModel") -> bytes:
    files = [
        {
            "component": "model" if file.component == "diffusion_model" else file.component,
            "path": str(file.path),
            "bytes": file.bytes,
        }
        for file in model.files
    ]
    record = {"model": model.reference.text, "path": files[0]["path"], "files": files}
    return json.dumps(record).encode()
