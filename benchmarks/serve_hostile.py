"""Attack a server with thousands of hostile requests, and check all that it does.

    python benchmarks/serve_hostile.py [--examples 700]

Starts ``gpustack-draw serve demo`` and sends it requests with odd values, damaged forms, bombs,
names of files, paths, smuggled requests and slow ones. Prints each violation: an answer other than
4xx or a right one, a traceback in the log, a file or an address opened that is not the server's
own, and ``/health`` slower than a second. The exit status is 1 if there is any. Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import hostile_requests as hostile
from hostile_run import HostileRun, hostile_run, memory_of, peak_memory_of

MAX_SECONDS_OF_HEALTH = 1.0
SLOW_CONNECTIONS = 40


def main() -> int:
    """Run all attacks, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=700, help="of each strategy")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        hostile_run(Path(folder), "demo", "--max-size", hostile.SIZE) as run,
    ):
        memory = memory_of(run.server.pid)
        attack(run, "bodies", hostile.body_requests())
        attack(run, "large bodies", hostile.large_requests())
        attack(run, "headers", hostile.header_requests())
        attack(run, "smuggling", hostile.smuggled_requests())
        attack(run, "paths", hostile.path_requests(run.canary))
        attack(run, "names", hostile.name_requests(run.canary))
        attack(run, "pictures", hostile.picture_requests())
        examples(run, "odd JSON", hostile.json_requests(), options.examples)
        examples(run, "odd forms", hostile.form_requests(), options.examples)
        timed(run, "slow clients", lambda: slow_clients(run))
        run.check()
        findings = run.findings
        if findings.slowest_health > MAX_SECONDS_OF_HEALTH:
            findings.problems.append(f"/health took {findings.slowest_health:.2f} s")
        for problem in findings.problems:
            print("VIOLATION", problem)
        statuses = ", ".join(f"{n} x {status}" for status, n in sorted(findings.statuses.items()))
        print(f"{findings.count} requests: {statuses}")
        print(f"slowest /health: {findings.slowest_health:.2f} s")
        after, peak = memory_of(run.server.pid), peak_memory_of(run.server.pid)
        print(f"memory: {memory / 1e6:.0f} MB, then {after / 1e6:.0f}, at most {peak / 1e6:.0f} MB")
        print(f"{len(findings.problems)} violations")
    return min(len(findings.problems), 1)


def attack(run: HostileRun, name: str, requests: Iterable[hostile.HostileRequest]) -> None:
    """Send requests, and print how many."""
    timed(run, name, lambda: [run.send(request) for request in requests])


def examples(
    run: HostileRun, name: str, strategy: st.SearchStrategy[hostile.HostileRequest], count: int
) -> None:
    """Send examples of a strategy, the same ones each time."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def send(request: hostile.HostileRequest) -> None:
        run.send(request)

    timed(run, name, send)


def timed(run: HostileRun, name: str, action: Callable[[], object]) -> None:
    """Run an action, and print how many requests it sent in which time."""
    before, began = run.findings.count, time.monotonic()
    action()
    count, seconds = run.findings.count - before, time.monotonic() - began
    print(f"{name}: {count} requests in {seconds:.0f} s, {len(run.findings.problems)} violations")
    sys.stdout.flush()


def slow_clients(run: HostileRun) -> None:
    """Send headers and bodies slowly, until the server ends the connections."""
    head = b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = head + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    starts = itertools.cycle((head, body, b"", b"P", head + b"Transfer-Encoding: chunked\r\n\r\n"))
    threads = [
        threading.Thread(target=_drip, args=(run, start))
        for start, _ in zip(starts, range(SLOW_CONNECTIONS), strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _drip(run: HostileRun, start: bytes) -> None:
    began = time.monotonic()
    seconds = run.drip(start)
    if seconds is None:
        run.findings.problems.append(
            f"{start[:40]!r} kept its connection for {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
