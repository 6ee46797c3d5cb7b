"""Tests of the run on a GPU: its limits, its failures and its table."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from gpu_run.job import Result
from gpu_run.report import table

RUN = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu_run"


def run(tmp_path: Path, *options: str) -> tuple[int, list[dict[str, object]]]:
    output = tmp_path / "gpu.json"
    command = [sys.executable, str(RUN), "--output", str(output)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(output.read_text())["results"]


def test_a_check_that_fails_is_recorded_and_the_next_one_runs(tmp_path: Path) -> None:
    status, results = run(tmp_path, "--device", "CUDA7", "--tiny", "--only", "machine", "cancel")
    assert status == 1
    assert [(result["name"], bool(result["error"])) for result in results] == [
        ("machine", False),
        ("cancel", True),
    ]
    assert str(results[1]["error"]).startswith("UsageError: no device named 'CUDA7'")


def test_a_check_without_time_is_recorded(tmp_path: Path) -> None:
    status, results = run(tmp_path, "--limit", "1", "--only", "machine")
    assert status == 1
    assert [result["error"] for result in results] == ["no time left"]


def test_the_table_ends_with_the_ratios() -> None:
    results = [
        Result("ours sd15", 9.0, {"step s": 0.5, "decode s": 0.3}),
        Result("diffusers sd15", 9.0, {"step s": 0.25}),
        Result("cancel", 60.0, error="not finished after 60 s"),
    ]
    assert table(results).splitlines()[2:] == [
        "| ours sd15 | step s: 0.5, decode s: 0.3 |",
        "| diffusers sd15 | step s: 0.25 |",
        "| cancel | not finished after 60 s |",
        "| sd15, step: ours / diffusers bf16 compiled | 2.00 |",
    ]
