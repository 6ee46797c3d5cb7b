"""The table of a run."""

from __future__ import annotations

from collections.abc import Iterable

from gpu_run.job import Result


def table(results: Iterable[Result]) -> str:
    """Return a table in Markdown, with the ratios of steps and of decoding in the end."""
    found = {result.name: result for result in results}
    lines = ["| check | result |", "|---|---|"]
    for result in found.values():
        text = ", ".join(f"{name}: {_text(value)}" for name, value in result.values.items())
        lines.append(f"| {result.name} | {result.error or text} |")
    for model in ("sd15", "klein"):
        ours, peer = (found.get(f"{who} {model}") for who in ("ours", "diffusers"))
        if ours is None or peer is None:
            continue
        for what in ("step", "decode"):
            seconds = [each.values.get(f"{what} s") for each in (ours, peer)]
            if isinstance(seconds[0], float) and isinstance(seconds[1], float):
                ratio = seconds[0] / seconds[1]
                lines.append(f"| {model}, {what}: ours / diffusers bf16 compiled | {ratio:.2f} |")
    return "\n".join(lines)


def _text(value: float | str) -> str:
    return value.replace("|", "/") if isinstance(value, str) else f"{value:.4g}"
