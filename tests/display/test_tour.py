"""The tour notebook runs in a real kernel, and its outputs are as described."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "tour.ipynb"


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_the_tour(tmp_path: Path, update_golden: bool) -> None:
    tour = nbformat.read(TOUR, as_version=4)
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(tour, kernel_name="python3", resources=folder, record_timing=False).execute()
    outputs = [output for cell in tour.cells for output in cell.get("outputs", [])]
    displayed = [output["data"] for output in outputs if "data" in output]
    assert sum("image/png" in data for data in displayed) == 2
    assert sum(data.get("text/html", "").count("<figure") for data in displayed) == 16
    assert not any("<progress" in data.get("text/html", "") for data in displayed)
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert list(tmp_path.iterdir()) == []
    if update_golden:
        tour.metadata.pop("language_info")  # contains the version of Python
        nbformat.write(tour, TOUR)
