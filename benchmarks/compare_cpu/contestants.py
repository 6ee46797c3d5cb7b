"""The contestants, and running one of them in its own process."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from compare_cpu import weights
from compare_cpu.job import Job, MissingError, Outcome, Timing

_HERE = Path(__file__).resolve().parent
_PACKAGE = "package"  # runs in the Python of the benchmark
_PEERS = "peers"

# By contestant: module, function and Python. `plain` is this package without its CPU backend.
RUNNERS = {
    "ours": ("run_ours", "run", _PACKAGE),
    "plain": ("run_ours", "run", _PACKAGE),
    "sd-cli": ("run_sd_cli", "run", _PACKAGE),
    "sd.cpp-python": ("run_sd_cpp_python", "run", _PEERS),
    "diffusers": ("run_diffusers", "run", _PEERS),
    "openvino": ("run_openvino", "run", _PEERS),
    "ours lora": ("run_loras", "run_ours", _PACKAGE),
    "diffusers lora": ("run_loras", "run_diffusers", _PEERS),
    "ours feature": ("run_features", "run_ours", _PACKAGE),
    "diffusers feature": ("run_features", "run_diffusers", _PEERS),
    # Preparation, and measurements of the machine.
    "weights": ("weights", "prepare", _PEERS),
    "diffusers weights": ("run_diffusers", "prepare", _PEERS),
    "openvino weights": ("run_openvino", "prepare", _PEERS),
    "feature weights": ("run_features", "prepare", _PEERS),
    "machine": ("run_machine", "run", _PEERS),
}
KINDS = {
    "ours": weights.KINDS,
    "plain": weights.KINDS,
    "sd-cli": weights.KINDS,
    "sd.cpp-python": ("f16",),
    "diffusers": ("f32", "bf16"),
    "openvino": ("f32", "bf16", "int8"),
}
FROM_FILES = ("ours", "plain", "sd-cli", "sd.cpp-python")
# Run by default; for the slow contestants two types are enough.
DEFAULT_KINDS = {
    **KINDS,
    "ours": ("f16", "bf16", "q8_0", "q4_0"),
    "plain": ("f16", "q8_0"),
    "sd-cli": ("f16", "q8_0"),
    "openvino": ("f32", "bf16"),  # quantizing needs NNCF
}


def run(job: Job, peers: str) -> Outcome:
    """Run a job in a new process and wait for it.

    Args:
        job: The job.
        peers: Python of the environment with PyTorch and OpenVINO.
    """
    ended = run_command(command(job, peers), job.threads)
    outcome = Outcome(job, peak_bytes=ended.peak_bytes)
    if ended.status != 0:
        outcome.error = (ended.last_line or f"ended with status {ended.status}")[:300]
        return outcome
    answer = json.loads(ended.last_line)
    outcome.missing = answer.pop("missing", "")
    if "steps" in answer:
        outcome.timing = Timing(**answer)
    else:
        outcome.answer = answer
    return outcome


def run_or_exit(job: Job, peers: str) -> Outcome:
    """Run a job; see :func:`run`.

    Raises:
        SystemExit: The contestant is not installed or failed.
    """
    outcome = run(job, peers)
    if reason := outcome.missing or outcome.error:
        sys.exit(f"{job.title}: {reason}")
    return outcome


def measured(jobs: Sequence[Job], runs: int, peers: str) -> dict[Job, dict[str, list[float]]]:
    """Run jobs in turns; return all seconds of each by title. See :func:`run_or_exit`."""
    seconds: dict[Job, dict[str, list[float]]] = {job: {} for job in jobs}
    for _ in range(runs):
        for job in jobs:
            for title, each in run_or_exit(job, peers).answer.items():
                seconds[job].setdefault(title, []).extend(each)
    return seconds


def command(job: Job, peers: str) -> list[str]:
    """Return the command that runs a job; see :func:`run`."""
    _module, _function, whose = RUNNERS[job.contestant]
    python = peers if whose == _PEERS else sys.executable
    return [python, str(_HERE), "--run", job.to_json()]


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: Its exit status.
        seconds: Seconds from its start to its end.
        peak_bytes: Peak memory of it or of its largest child.
        last_line: The last line that it printed, or of its errors if it failed.
    """

    status: int
    seconds: float
    peak_bytes: int
    last_line: str


def run_command(arguments: Sequence[str], threads: int) -> Ended:
    """Run a command and wait for it."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, stdout=output, stderr=errors, env=_environment(threads)
        )
        try:
            status, peak = _wait(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        return Ended(status, seconds, peak, _last_line(output if status == 0 else errors))


def run_here(text: str) -> None:
    """Run a job in this process and print its result as JSON."""
    job = Job.from_json(text)
    module, function, _whose = RUNNERS[job.contestant]
    try:
        answer = getattr(importlib.import_module(f"compare_cpu.{module}"), function)(job)
    except (ImportError, MissingError) as error:
        answer = {"missing": str(error)}
    print(json.dumps(asdict(answer) if isinstance(answer, Timing) else answer))


def _environment(threads: int) -> dict[str, str]:
    # OpenMP reads its setting at start; nothing may use the network; without backtraces the last
    # line of the log is the error.
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "GGML_NO_BACKTRACE": "1",
    }
    return {**os.environ, **settings}


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return the status of a process, and the peak memory of it or its largest child, in bytes."""
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, usage.ru_maxrss * unit


def _last_line(file: TextIO) -> str:
    file.seek(0)
    lines = [line for line in file.read().splitlines() if line.strip()]
    return lines[-1] if lines else ""
