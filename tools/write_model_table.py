"""Write the table of docs/how-to/choose-a-model.md from a dry run of each model with a short name.

    python tools/write_model_table.py

It needs the hub, reads a few kilobytes of each file there, and downloads nothing. Look at the diff,
and write the date into the page. ``tests/test_model_table.py`` compares the names with the page.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

import gpustack_draw
from gpustack_draw import KnownModel
from gpustack_draw.units import format_bytes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "choose-a-model.md"
START, END = "<!-- table: tools/write_model_table.py -->", "<!-- end of the table -->"
HEADINGS = (
    "name",
    "model",
    "download",
    "memory",
    "size",
    "steps",
    "CPU",
    "GPU",
    "tasks",
    "license",
)
# Operations per second with which the classes are computed; the page names them.
CPU_SPEED = 0.4e12
GPU_SPEED = 10e12
CLASSES = ((15, "seconds"), (90, "a minute"), (900, "minutes"), (float("inf"), "long"))


def main() -> None:
    """Write the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    table = model_table(gpustack_draw.known_models(), os.environ)
    PAGE.write_text(with_table(page, table), encoding="utf-8")


def with_table(page: str, table: str) -> str:
    """Return a page with another table between its marks."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{table}\n{END}{after}"


def model_table(models: Sequence[KnownModel], environment: Mapping[str, str]) -> str:
    """Return the table in Markdown, a line per model.

    Args:
        models: The models.
        environment: Variables of the command, such as HF_ENDPOINT.
    """
    rows = [HEADINGS, tuple("---" for _ in HEADINGS)]
    with tempfile.TemporaryDirectory() as folder:
        rows += [_row(each, _dry_run(each, environment, Path(folder))) for each in models]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def names_in(page: str) -> list[str]:
    """Return the names in the table of a page."""
    table = page.partition(START)[2].partition(END)[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def _dry_run(model: KnownModel, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return what ``--dry-run --json`` prints; too little memory here is no error."""
    command = [sys.executable, "-m", "gpustack_draw", model.name, "a cat", "--on", "local"]
    # Whole pictures, or the memory would depend on what is free here.
    command += ["--dry-run", "--json", "--device", "auto", "--vae-tiling", "off"]
    if "draw" in model.tasks or "edit" in model.tasks:
        command += ["--size", "native"]
    else:  # an inpainting model draws nothing without a picture and a mask
        command += _pictures(folder, model)
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=False
    )
    if not done.stdout:
        raise SystemExit(f"{model.name}: {done.stderr.strip()}")
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


def _pictures(folder: Path, model: KnownModel) -> list[str]:
    side = 512 if model.name.startswith("sd1") else 1024
    image, mask = folder / f"{side}.png", folder / f"mask-{side}.png"
    Image.new("RGB", (side, side), "gray").save(image)
    Image.new("L", (side, side), 255).save(mask)
    return ["--image", str(image), "--mask", str(mask)]


def _row(model: KnownModel, plan: Mapping[str, Any]) -> tuple[str, ...]:
    files = {(file["repository"], file["path"]): file["bytes"] for file in plan["files"]}
    defaults, operations = plan["defaults"], plan["time"]["operations"]
    return (
        f"`{model.name}`",
        model.title,
        format_bytes(sum(files.values())),
        format_bytes(plan["memory_bytes"]),
        f"{defaults['width']}x{defaults['height']}",
        str(defaults["sample_steps"]),
        _class_of(operations / CPU_SPEED),
        _class_of(operations / GPU_SPEED),
        ", ".join(model.tasks),
        model.license,
    )


def _class_of(seconds: float) -> str:
    return next(name for limit, name in CLASSES if seconds < limit)


if __name__ == "__main__":
    main()
