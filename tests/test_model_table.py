"""The table of docs/how-to/choose-a-model.md, written from dry runs on a loopback hub."""

import os
from pathlib import Path

import pytest
from build_tools import SOURCE, load_tool
from known_models_hub import add_known_models
from loopback_hub import LoopbackHub

import gpustack_draw

TOOL = load_tool("write_model_table")


def test_the_page_has_all_short_names() -> None:
    page = TOOL.PAGE.read_text(encoding="utf-8")
    assert TOOL.names_in(page) == [model.name for model in gpustack_draw.known_models()]


def rows(text: str) -> set[tuple[str, ...]]:
    """Return the cells of each line, without the memory, whose estimate has tests of its own."""
    cells = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return {(*row[:3], *row[4:]) for row in map(tuple, cells)}


def test_the_readme_repeats_rows_of_the_page() -> None:
    """It has the name, the download, the memory and the time on a CPU of some models."""
    page = TOOL.PAGE.read_text(encoding="utf-8")
    lines = (SOURCE / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "| `" in line]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    columns = [TOOL.HEADINGS.index(name) for name in ("name", "download", "memory", "CPU")]
    known = [[row[column] for column in columns] for row in table if len(row) > max(columns)]
    assert [row[:4] for row in cells if row[0] != "`demo`"]
    assert [row[:4] for row in cells if row[0] != "`demo`" and row[:4] not in known] == []


@pytest.mark.engine
def test_a_row_is_written_from_a_dry_run(
    server: LoopbackHub, tmp_path: Path, update_golden: bool
) -> None:
    """One with components, and one that needs pictures; all with --update-golden."""
    add_known_models(server)
    known = gpustack_draw.known_models()
    page = TOOL.PAGE.read_text(encoding="utf-8")
    environment = {**os.environ, **server.environment(tmp_path)}
    if update_golden:
        table = TOOL.model_table(known, environment)
        TOOL.PAGE.write_text(TOOL.with_table(page, table), encoding="utf-8")
    else:
        chosen = [each for each in known if each.name in ("flux2-klein", "sd1.5-inpainting")]
        table = TOOL.model_table(chosen, environment)
        assert rows(table) <= rows(page), "pytest --update-golden"
    assert server.bytes_sent < 100_000_000
    assert list((tmp_path / "hub").rglob("blobs/*")) == []
