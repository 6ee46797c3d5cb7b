"""The output of ``models --info``."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.cli.plan import table
from gpustack_draw.request.options import describe_sampling
from gpustack_draw.resolver.resolved_model import COMPONENT_TITLES
from gpustack_draw.units import format_bytes
from gpustack_draw.untrusted import clean

if TYPE_CHECKING:
    from gpustack_draw.resolver.describe_file import FileInfo
    from gpustack_draw.resolver.loras.lora_file import Distillation

_MAX_LENGTH = 80


def show_info(reference: str, write: Callable[[bytes], None], *, json_wanted: bool) -> int:
    """Print the content of a file of weights.

    Args:
        reference: Reference of the file.
        write: Receives the output.
        json_wanted: Whether to print a JSON object instead of lines.

    Returns:
        The exit status.

    Raises:
        DrawError: The file is not found, not readable or no file of weights.
    """
    from gpustack_draw import info

    described = info(reference)
    if json_wanted:
        path = None if described.path is None else str(described.path)
        write(json.dumps({**asdict(described), "path": path}).encode() + b"\n")
        return 0
    facts = [(f"{name}:", text) for name, text in _facts(described) if text]
    rows = [("", key, clean(str(value), _MAX_LENGTH)) for key, value in described.metadata.items()]
    write(table(facts))
    if rows:
        write(b"metadata:\n" + table(rows))
    return 0


def _facts(described: "FileInfo") -> Iterator[tuple[str, str]]:
    """Yield names and texts; an empty text is not printed."""
    types = (f"{count:,} {name}" for name, count in described.tensor_types.items())
    parameters = described.parameters
    yield "file", described.reference
    yield "type", COMPONENT_TITLES.get(described.type, described.type) or "unknown"
    yield "family", ", ".join(filter(None, (described.family, described.variant)))
    yield "components", ", ".join(described.components)
    yield "base", described.base
    yield "stated base", described.stated_base
    yield "modules", ", ".join(described.lora_types)
    yield "rank", ", ".join(map(str, described.ranks))
    yield "naming", described.naming
    yield "trigger words", ", ".join(described.trigger_words)
    yield "settings", _settings(described.distillation)
    yield "title", described.title
    yield "license", described.license
    yield "format", described.format
    yield "tensors", ", ".join(types)
    yield "parameters", "" if parameters is None else f"{parameters:,}"
    yield "size", format_bytes(described.bytes)
    yield "path", str(described.path or "not downloaded")
    yield "problem", with_options(described.problem)


def _settings(distillation: "Distillation | None") -> str:
    if distillation is None:
        return ""
    texts = [
        *describe_sampling(distillation),
        distillation.sampler or "",
        distillation.scheduler or "",
        "" if distillation.weight == 1 else f"weight {distillation.weight:g}",
    ]
    return f"{distillation.title}: {', '.join(filter(None, texts))}"
