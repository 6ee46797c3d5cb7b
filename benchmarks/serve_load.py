"""Load a server with many clients, and let some of them leave, while its engine is killed.

    python benchmarks/serve_load.py [--clients 50] [--requests 1000] [--size 64] [--steps 1]
        [--leaving 0.05] [--kills 10] [--queue 20]

Starts ``gpustack-draw serve demo``. Each answer must be the picture of its seed, compared with the
library's, or a right error: 503 with Retry-After, or 500 with the code ``engine_crashed`` if the
engine was killed. Then prints the statuses, the memory, the descriptors and the processes of the
server, and how long it takes from a disconnect until the next drawing can begin. The exit status is
1 if anything is wrong. Linux only.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

import gpustack_draw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from served import ServedProcess, served

PROMPT = "a red circle on a blue background"
SEEDS = 16
MAX_DIFFERENCE = 2  # of a channel
MAX_MEMORY_GROWTH = 1.1
CANCELLATIONS = 10


@dataclass
class Run:
    """A load test.

    Attributes:
        options: The command line.
        server: The server.
        expected: The right picture of each seed.
        results: Number of requests by result.
        problems: A text for each wrong answer.
    """

    options: argparse.Namespace
    server: ServedProcess
    expected: list[np.ndarray]
    results: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _left: int = 0

    def run(self, requests: int) -> None:
        """Send requests from all clients at once, and wait for the answers."""
        self._left = requests
        clients = [
            threading.Thread(target=self._run_client, args=(random.Random(number),))
            for number in range(self.options.clients)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def done(self) -> int:
        """Return how many requests have been answered."""
        return self.results.total()

    def _run_client(self, rng: random.Random) -> None:
        while True:
            with self._lock:
                if self._left <= 0:
                    return
                self._left -= 1
            try:
                result = self._ask(rng)
            except (OSError, http.client.HTTPException) as error:
                result = "no answer"
                self.problems.append(f"no answer: {error!r}")
            with self._lock:
                self.results[result] += 1

    def _ask(self, rng: random.Random) -> str:
        seed = rng.randrange(SEEDS)
        connection = connect(self.server)
        try:
            post(connection, self.options, seed)
            if rng.random() < self.options.leaving:
                time.sleep(rng.random() * 0.5)
                return "left"
            response = connection.getresponse()
            body = json.loads(response.read())
        finally:
            connection.close()
        if response.status == 200:
            return self._compare(seed, body)
        return self._check_error(response, body["error"]["code"])

    def _check_error(self, response: http.client.HTTPResponse, code: str) -> str:
        result = f"{response.status} {code}"
        if response.status == 503:
            delay = response.headers["Retry-After"]
            if not delay:
                self.problems.append(f"{result} has no Retry-After")
            time.sleep(min(float(delay or 1), 2.0) * random.random())
        elif result != "500 engine_crashed":
            self.problems.append(result)
        return result

    def _compare(self, seed: int, body: dict[str, object]) -> str:
        (item,) = body["data"]  # type: ignore[misc]
        pixels = pixels_of(base64.b64decode(item["b64_json"]))
        if pixels.shape != self.expected[seed].shape:
            self.problems.append(f"seed {seed}: the picture is {pixels.shape}")
        elif (largest := np.abs(pixels - self.expected[seed]).max()) > MAX_DIFFERENCE:
            self.problems.append(f"seed {seed}: the picture differs by {largest}")
        return "200"


def main() -> int:
    """Run the test, and return the exit status."""
    options = parse_options()
    expected = [
        np.asarray(
            gpustack_draw.generate(
                "demo",
                PROMPT,
                seed=seed,
                size=(options.size, options.size),
                sample_steps=options.steps,
            ).convert("RGB")
        ).astype(int)
        for seed in range(SEEDS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        with served("demo", "--queue", str(options.queue), folder=Path(folder)) as server:
            run = Run(options, server, expected)
            run.run(2 * options.clients)  # warms up
            run.results.clear()
            before = state_of(server.pid)
            print(f"before: {before}", flush=True)
            began = time.monotonic()
            is_over = threading.Event()
            killer = threading.Thread(target=kill_engines, args=(run, is_over))
            killer.start()
            run.run(options.requests)
            is_over.set()
            killer.join()
            report(run, time.monotonic() - began)
            run.run(options.clients)  # so that both states are those of an engine that has drawn
            time.sleep(1)
            after = state_of(server.pid)
            print(f"after:  {after}", flush=True)
            compare_states(run, before, after)
            if options.cancellations:
                measure_cancellation(run)
            log = server.log.read_text()
            if "Traceback" in log:
                run.problems.append(
                    f"a traceback in the log: {log[log.find('Traceback') :][:3000]}"
                )
            processes = [server.pid, *descendants(server.pid)]
        left = [pid for pid in processes if is_running(pid)]
        if left:
            run.problems.append(f"processes are left: {left}")
    for problem in run.problems[:30]:
        print("VIOLATION", problem)
    print(f"{len(run.problems)} violations")
    return min(len(run.problems), 1)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--leaving", type=float, default=0.05, help="share of clients that leave")
    parser.add_argument("--kills", type=int, default=10, help="times the engine is killed")
    parser.add_argument("--queue", type=int, default=20)
    parser.add_argument("--cancellations", type=int, default=CANCELLATIONS)
    return parser.parse_args()


def connect(server: ServedProcess) -> http.client.HTTPConnection:
    """Open a connection."""
    address = urlsplit(server.url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)


def post(connection: http.client.HTTPConnection, options: argparse.Namespace, seed: int) -> None:
    """Ask for a picture."""
    size = f"{options.size}x{options.size}"
    body = {"prompt": PROMPT, "seed": seed, "size": size, "sample_steps": options.steps}
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/images/generations", json.dumps(body), headers)


def pixels_of(data: bytes) -> np.ndarray:
    """Return the pixels of a picture's file as integers."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def kill_engines(run: Run, is_over: threading.Event) -> None:
    """Kill the engine at regular numbers of answers."""
    for number in range(run.options.kills):
        due = (number + 0.5) * run.options.requests / run.options.kills
        while run.done() < due:
            if is_over.wait(0.02):
                return
        while not (engines := engines_of(run.server.pid)):
            if is_over.wait(0.02):
                return
        for pid in engines:
            os.kill(pid, signal.SIGKILL)
        print(f"killed {engines} after {run.done()} answers", flush=True)


def report(run: Run, seconds: float) -> None:
    """Print the results."""
    results = ", ".join(f"{count} x {name}" for name, count in sorted(run.results.items()) if count)
    pictures = run.results["200"]
    print(f"{results} in {seconds:.0f} s, {pictures / seconds:.1f} pictures a second")


@dataclass(frozen=True)
class State:
    """The resources of a server.

    Attributes:
        memory: Of the server's own process, in bytes.
        descriptors: Number of its open descriptors.
        threads: Number of its threads.
        processes: Number of its child processes.
    """

    memory: int
    descriptors: int
    threads: int
    processes: int

    def __str__(self) -> str:
        """Return all numbers."""
        return (
            f"{self.memory / 1e6:.1f} MB, {self.descriptors} descriptors, {self.threads} threads,"
            f" {self.processes} processes"
        )


def state_of(pid: int) -> State:
    """Return the resources of a process."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return State(
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        descriptors=len(list((folder / "fd").iterdir())),
        threads=len(list((folder / "task").iterdir())),
        processes=len(descendants(pid)),
    )


def compare_states(run: Run, before: State, after: State) -> None:
    """Report resources that have grown as problems."""
    print(f"memory: {after.memory / before.memory:.3f} of the start")
    if after.memory > MAX_MEMORY_GROWTH * before.memory:
        run.problems.append("the memory has grown")
    if after.descriptors > before.descriptors:
        run.problems.append("descriptors are left")
    if after.processes > before.processes:
        run.problems.append("processes are left")


def measure_cancellation(run: Run) -> None:
    """Print the time from a disconnect until nothing is drawn, and until a small picture is."""
    options = argparse.Namespace(size=256, steps=20)
    small = argparse.Namespace(size=64, steps=1)
    timed_picture(run.server, small)
    usual = timed_picture(run.server, small)
    began = time.monotonic()
    timed_picture(run.server, options)
    step = (time.monotonic() - began) / options.steps
    ends, frees = [], []
    for number in range(run.options.cancellations):
        connection = connect(run.server)
        post(connection, options, number)
        while not is_drawing(run.server):
            pass
        time.sleep(step * (2 + number % 5))
        connection.close()
        began = time.monotonic()
        while is_drawing(run.server):
            pass
        ends.append(time.monotonic() - began)
        timed_picture(run.server, small)
        frees.append(time.monotonic() - began - usual)
    print(
        f"a step of 256x256: {step * 1000:.0f} ms; from a disconnect until nothing is drawn:"
        f" median {statistics.median(ends) * 1000:.0f} ms, at most {max(ends) * 1000:.0f} ms;"
        f" until the next drawing began: median {statistics.median(frees) * 1000:.0f} ms,"
        f" at most {max(frees) * 1000:.0f} ms"
    )


def timed_picture(server: ServedProcess, options: argparse.Namespace) -> float:
    """Draw a picture, and return the seconds."""
    began = time.monotonic()
    connection = connect(server)
    post(connection, options, 1)
    connection.getresponse().read()
    connection.close()
    return time.monotonic() - began


def is_drawing(server: ServedProcess) -> bool:
    """Return whether the server draws, as its metrics state."""
    connection = connect(server)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read()
    connection.close()
    return b"\ngpustack_draw_drawing 1\n" in text


def descendants(pid: int) -> list[int]:
    """Return the processes below a process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def engines_of(pid: int) -> list[int]:
    """Return the processes below a server that run an engine."""
    engines = []
    for child in descendants(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"resource_tracker" not in command:
            engines.append(child)
    return engines


def is_running(pid: int) -> bool:
    """Return whether a process exists."""
    return Path(f"/proc/{pid}/stat").exists()


if __name__ == "__main__":
    sys.exit(main())
