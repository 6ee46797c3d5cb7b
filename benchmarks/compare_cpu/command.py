"""The command line of the comparison: what to run, in which order, and what to print."""

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

from compare_cpu.contestants import FROM_FILES, KINDS, SHOWN_KINDS, run
from compare_cpu.job import Job, Outcome
from compare_cpu.report import aligned, measured_table, ratio_table, rows

_ROOT = Path(__file__).resolve().parents[2]
CFG_SCALES = {"sd15": 7.0, "klein": 1.0, "demo": 1.0}


def main() -> None:
    """Measure, print and write."""
    options = _parser().parse_args()
    settings = Job("", "", "", 0, options.steps, 1.0, options.threads, "", options.sd_cli)
    settings = replace(settings, weights=str(options.weights))
    measurement = Measurement(settings, options.peers, options.output)
    measurement.measure_machine()
    wanted = options.only or ["*"]
    for model in options.models:
        measurement.prepare(model, wanted)
    for model in options.models:
        for side in options.sides:
            measurement.compare(model, side, wanted, options.runs)
            measurement.print_tables(model, side)


class Measurement:
    """All that one call of the command measures; written anew after each run."""

    def __init__(self, settings: Job, peers: str, output: Path) -> None:
        self._settings = settings
        self._peers = peers
        self._output = output
        self._outcomes: list[Outcome] = []
        self._gone: set[tuple[str, str]] = set()  # titles and models that are not asked again
        self._work: dict[tuple[str, int], dict[str, float]] = {}
        self._machine: dict[str, Any] = {}

    def measure_machine(self) -> None:
        """Measure the peaks of the machine's matrix products."""
        outcome = self._run("machine", "", "", 0)
        self._machine = {**outcome.answer, "threads": self._settings.threads}
        for kind, peak in self._peaks.items():
            _say(f"matrix products in {kind}: {peak / 1e9:.3g} G operations/s")

    def prepare(self, model: str, wanted: Sequence[str]) -> None:
        """Write the weights that a model's contestants need, where they are not there yet."""
        if model != "demo":
            for kind in sorted({kind for who, kind in _chosen(wanted) if who in FROM_FILES}):
                self._run("weights", kind, model, 0)
        for who in ("diffusers", "openvino"):
            if any(name == who for name, _kind in _chosen(wanted)):
                self._run(f"{who} weights", "", model, 0)

    def compare(self, model: str, side: int, wanted: Sequence[str], runs: int) -> None:
        """Run each contestant in turn, and all of them so many times."""
        self._work[model, side] = self._run("machine", "", model, side).answer.get("work", {})
        for number in range(1, runs + 1):
            for who, kind in _of_model(model, wanted):
                if (f"{who} {kind}", model) in self._gone:
                    continue
                outcome = self._run(who, kind, model, side)
                if outcome.timing is None:
                    self._gone.add((f"{who} {kind}", model))
                    continue
                self._outcomes.append(outcome)
                steps = " ".join(f"{second:.2f}" for second in outcome.timing.steps)
                _say(f"{model} {side} {number}/{runs} {who} {kind}: steps {steps} s")
                self._write()

    def print_tables(self, model: str, side: int) -> None:
        """Print what was measured of a model at one size."""
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
            _say(f"left out: {f'{job.title} {model}'.strip()}: {reason}")
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


def _chosen(wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Who draws from what; a pattern means those that are shown, a title in full any."""
    for who, kinds in KINDS.items():
        for kind in kinds:
            title = f"{who} {kind}"
            shown = kind in SHOWN_KINDS[who]
            if title in wanted or (shown and any(fnmatchcase(title, each) for each in wanted)):
                yield who, kind


def _of_model(model: str, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The demo model has one file: of those who draw with files, each draws once."""
    seen = set()
    for who, kind in _chosen(wanted):
        shown = "q8_0" if model == "demo" and who in FROM_FILES else kind
        if (who, shown) not in seen:
            seen.add((who, shown))
            yield who, shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare_cpu", description="Drawing on a CPU side by side; see benchmarks/README.md."
    )
    parser.add_argument("--output", type=Path, default=Path("compare_cpu.json"))
    parser.add_argument("--models", nargs="+", choices=list(CFG_SCALES), default=list(CFG_SCALES))
    parser.add_argument("--sides", nargs="+", type=int, default=[128, 256, 512])
    parser.add_argument("--runs", type=int, default=3, help="of each contestant")
    parser.add_argument("--steps", type=int, default=3, help="of each run; the first warms up")
    parser.add_argument("--only", nargs="+", metavar="TITLE", help="'ours f16', 'diffusers *'")
    parser.add_argument("--threads", type=int, default=_usable_cores())
    parser.add_argument("--weights", type=Path, default=_ROOT / "build" / "bench-weights")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--sd-cli", default=str(_ROOT / "build" / "sd-cli" / "bin" / "sd-cli"))
    return parser


def _usable_cores() -> int:
    """Cores that this process may use; the two threads of a core count once."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    return len(cores)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
