"""The command line of the comparison: jobs, their order, printed tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from compare_cpu.contestants import DEFAULT_KINDS, FROM_FILES, KINDS, run
from compare_cpu.job import Job, Outcome
from compare_cpu.report import aligned, measured_table, ratio_table, rows

_ROOT = Path(__file__).resolve().parents[2]
CFG_SCALES = {"sd15": 7.0, "klein": 1.0, "demo": 1.0}


def main() -> None:
    """Measure everything, print tables and write the output file."""
    options = _parser().parse_args()
    settings = Job("", "", "", 0, options.steps, 1.0, options.threads, "", options.sd_cli)
    settings = replace(settings, weights=str(options.weights))
    measurement = Measurement(settings, options.peers, options.output)
    measurement.measure_machine()
    only = options.only or ["*"]
    for model in options.models:
        measurement.prepare(model, only)
    for model in options.models:
        for side in options.sides:
            measurement.compare(model, side, only, options.runs)
            measurement.print_tables(model, side)


class Measurement:
    """All measurements of one call, written to the output file after each run."""

    def __init__(self, settings: Job, peers: str, output: Path) -> None:
        self._settings = settings
        self._peers = peers
        self._output = output
        self._outcomes: list[Outcome] = []
        self._failed: set[tuple[str, str]] = set()  # (title, model) pairs that failed
        self._work: dict[tuple[str, int], dict[str, float]] = {}
        self._machine: dict[str, Any] = {}

    def measure_machine(self) -> None:
        """Measure the peaks of the machine's matrix products."""
        outcome = self._run("machine", "", "", 0)
        self._machine = {**outcome.answer, "threads": self._settings.threads}
        for kind, peak in self._peaks.items():
            _log(f"matrix products in {kind}: {peak / 1e9:.3g} G operations/s")

    def prepare(self, model: str, only: Sequence[str]) -> None:
        """Write the weights that a model's contestants need, unless they exist."""
        if model != "demo":
            for kind in sorted({kind for who, kind in _chosen(only) if who in FROM_FILES}):
                self._run("weights", kind, model, 0)
        for who in ("diffusers", "openvino"):
            for kind in (kind for name, kind in _chosen(only) if name == who):
                self._run(f"{who} weights", kind, model, 0)

    def compare(self, model: str, side: int, only: Sequence[str], runs: int) -> None:
        """Run all contestants alternately, each `runs` times."""
        self._work[model, side] = self._run("machine", "", model, side).answer.get("work", {})
        for number in range(1, runs + 1):
            for who, kind in _of_model(model, only):
                if (f"{who} {kind}", model) in self._failed:
                    continue
                outcome = self._run(who, kind, model, side)
                if outcome.timing is None:
                    self._failed.add((f"{who} {kind}", model))
                    continue
                self._outcomes.append(outcome)
                steps = " ".join(f"{second:.2f}" for second in outcome.timing.steps)
                _log(f"{model} {side} {number}/{runs} {who} {kind}: steps {steps} s")
                self._write()

    def print_tables(self, model: str, side: int) -> None:
        """Print the measurements of a model at one size."""
        table = rows(self._outcomes).get((model, side), [])
        if not table:
            return
        work = self._work[model, side]
        print(f"\n{model}, {side}x{side}, {self._settings.threads} threads\n")
        print(aligned(measured_table(table, work, self._peaks)), end="\n\n")
        print(aligned(ratio_table(table)), flush=True)

    @property
    def _peaks(self) -> Mapping[str, float]:
        peaks: Mapping[str, float] = self._machine.get("peaks", {})
        return peaks

    def _run(self, who: str, kind: str, model: str, side: int) -> Outcome:
        job = replace(self._settings, contestant=who, kind=kind, model=model, side=side)
        job = replace(job, cfg_scale=CFG_SCALES.get(model, 1.0))
        outcome = run(job, self._peers)
        reason = outcome.missing or outcome.error
        if reason:
            _log(f"skipped: {f'{job.title} {model}'.strip()}: {reason}")
        return outcome

    def _write(self) -> None:
        result = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": self._machine,
            "work": [
                {"model": model, "side": side, **work} for (model, side), work in self._work.items()
            ],
            "outcomes": [asdict(outcome) for outcome in self._outcomes],
        }
        partial = self._output.with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._output)


def _chosen(only: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (contestant, type) pairs: full titles match all types, patterns the default ones."""
    for who, kinds in KINDS.items():
        for kind in kinds:
            title = f"{who} {kind}"
            is_default = kind in DEFAULT_KINDS[who]
            if title in only or (is_default and any(fnmatchcase(title, each) for each in only)):
                yield who, kind


def _of_model(model: str, only: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs for a model; with demo, a single file, file-based contestants run once."""
    seen = set()
    for who, kind in _chosen(only):
        drawn = "q8_0" if model == "demo" and who in FROM_FILES else kind
        if (who, drawn) not in seen:
            seen.add((who, drawn))
            yield who, drawn


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare_cpu", description="Compare drawing on a CPU; see benchmarks/README.md."
    )
    parser.add_argument("--output", type=Path, default=Path("compare_cpu.json"))
    parser.add_argument("--models", nargs="+", choices=list(CFG_SCALES), default=list(CFG_SCALES))
    parser.add_argument("--sides", nargs="+", type=int, default=[128, 256, 512])
    parser.add_argument("--runs", type=int, default=3, help="runs of each contestant")
    parser.add_argument(
        "--steps", type=int, default=3, help="steps of each run; the first is a warm-up"
    )
    parser.add_argument("--only", nargs="+", metavar="TITLE", help="'ours f16', 'diffusers *'")
    parser.add_argument("--threads", type=int, default=_usable_cores())
    parser.add_argument("--weights", type=Path, default=_ROOT / "build" / "bench-weights")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--sd-cli", default=str(_ROOT / "build" / "sd-cli" / "bin" / "sd-cli"))
    return parser


def _usable_cores() -> int:
    """Return the number of physical cores that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    return len(cores)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
