"""Check and measure drawing on a GPU in one run of ten minutes.

    python benchmarks/gpu_run --output gpu.json

benchmarks/README.md describes the checks. Each runs in a process of its own, so that a crash or a
hang costs no more than that check, and the output file is written after each.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gpu_run.job import CHECKS, Check, Job, Result
from gpu_run.report import table

_HERE = Path(__file__).resolve().parent
_LEAST_SECONDS = 5  # what is left in the end, for the report


@dataclass(frozen=True)
class Clock:
    """The time that is left.

    Attributes:
        end: When the run ends, by :func:`time.monotonic`.
    """

    end: float

    def left(self) -> float:
        """Return the seconds until the end."""
        return self.end - time.monotonic()


def main() -> None:
    """Run the checks, write their results, print a table."""
    if sys.argv[1:2] == ["--run"]:
        _run_here(sys.argv[2], sys.argv[3])
        return
    options = _parser().parse_args()
    clock = Clock(time.monotonic() + options.limit)
    job = Job(device=options.device, tiny=options.tiny, weights=str(options.weights))
    chosen = [check for check in CHECKS if not options.only or check.name in options.only]
    results: list[Result] = []
    for check in chosen:
        results.append(_run(check, job, options.peers, clock))
        _write(options.output, job, results)
        end = results[-1].error or "done"
        print(f"{check.name}: {end}, {results[-1].seconds:.0f} s", file=sys.stderr)
    print(table(results))
    if any(result.error for result in results):
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="JSON of the results")
    parser.add_argument("--limit", type=float, default=570, help="seconds for all (default: 570)")
    parser.add_argument("--device", default="auto", help="device of this package")
    parser.add_argument("--peers", default=sys.executable, help="Python with PyTorch and diffusers")
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--only", nargs="+", choices=[check.name for check in CHECKS])
    parser.add_argument("--tiny", action="store_true", help="a trial: 64x64, embedded model")
    return parser


def _run(check: Check, job: Job, peers: str, clock: Clock) -> Result:
    """Run a check in a process of its own, for the time that is left at most."""
    seconds = min(check.seconds, clock.left() - _LEAST_SECONDS)
    if seconds < _LEAST_SECONDS:
        return Result(check.name, 0.0, error="no time left")
    python = peers if check.is_of_peers else sys.executable
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [python, str(_HERE), "--run", check.name, json.dumps(asdict(job))],
            stdout=output,
            stderr=errors,
            start_new_session=True,  # its workers end with it
        )
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        last = _last_line(output if status == 0 else errors)
    took = time.monotonic() - began
    if status is None:
        return Result(check.name, took, error=f"not finished after {seconds:.0f} s")
    if status != 0:
        return Result(check.name, took, error=last[:300] or f"ended with status {status}")
    return Result(check.name, took, **json.loads(last))


def _run_here(name: str, job: str) -> None:
    """Run a check in this process and print its values, or its error, as JSON."""
    (check,) = (check for check in CHECKS if check.name == name)
    try:
        module = importlib.import_module(f"gpu_run.{check.module}")
        values = getattr(module, check.function)(Job(**json.loads(job)), *check.arguments)
        print(json.dumps({"values": values}))
    except Exception as error:
        traceback.print_exc()
        print(
            json.dumps({"error": f"{type(error).__name__}: {'; '.join(str(error).splitlines())}"})
        )


def _last_line(file: tempfile._TemporaryFileWrapper[str]) -> str:
    file.seek(0)
    return next((line for line in reversed(file.read().splitlines()) if line.strip()), "")


def _write(path: Path, job: Job, results: list[Result]) -> None:
    """Write the results so that the file is complete at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    text = json.dumps({"job": asdict(job), "results": [asdict(each) for each in results]}, indent=1)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
