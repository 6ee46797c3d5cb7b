"""The command ``pull``: download a model without drawing."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter

if TYPE_CHECKING:
    from gpustack_draw.model import Model
    from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel


def pull(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Download every file that a model and LoRAs for it need, and print the path of its main file.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status.

    Raises:
        DrawError: The model is not found, not supported or cannot be downloaded.
    """
    import gpustack_draw
    from gpustack_draw.cli.load_keywords import typed_components
    from gpustack_draw.errors import ModelNotFoundError, quoted
    from gpustack_draw.request.known_models import near_names_hint, parse_local_reference
    from gpustack_draw.request.model_reference import ServerModel

    assert arguments.model is not None
    if isinstance(parse_local_reference(arguments.model), ServerModel):
        raise ModelNotFoundError(
            f"{quoted(arguments.model)} is neither an hf.co reference, a file, a short name nor"
            " 'demo'",
            hint=near_names_hint(arguments.model)
            or "type hf.co/OWNER/REPO[:TAG]; a GPUStack server downloads its models itself",
        )
    reporter = Reporter(sys.stderr, quiet=arguments.quiet)
    model = gpustack_draw.load(
        arguments.model,
        **typed_components(arguments),
        loras=arguments.loras,
        on="local",
    )
    resolved = model.resolved
    assert resolved is not None  # it is on this machine
    for note in resolved.notes:
        reporter.note(note)
    _fetch(model, reporter)
    loras = [*_lora_files(arguments.loras)]
    if not resolved.hub_files and not any(lora.hub_file for lora in loras):
        reporter.note(f"nothing to download for {resolved.reference.text}")
    record = _record(resolved, loras) if arguments.json else os.fsencode(resolved.files[0].path)
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


def _lora_files(loras: "list[str] | None") -> Iterator["ModelFile"]:
    """Yield the files of LoRAs that have been downloaded."""
    from functools import cache

    from gpustack_draw.hub import Hub
    from gpustack_draw.request.additions import LORA
    from gpustack_draw.request.loras import read_loras
    from gpustack_draw.resolver.find_addition import find_addition
    from gpustack_draw.resolver.resolved_model import ModelFile

    open_hub = cache(Hub)
    for lora in read_loras(loras or ()):
        file = find_addition(lora.reference, LORA, open_hub, argument="loras")
        yield ModelFile("lora", file.path, file.header.file_bytes, file.hub_file)


def _record(model: "ResolvedModel", loras: "Sequence[ModelFile]") -> bytes:
    files = [
        {
            "component": "model" if file.component == "diffusion_model" else file.component,
            "path": str(file.path),
            "bytes": file.bytes,
        }
        for file in (*model.files, *loras)
    ]
    record = {"model": model.reference.text, "path": files[0]["path"], "files": files}
    return json.dumps(record).encode()
