"""Measure the time that a request to the server takes beyond the drawing.

    python benchmarks/serve_overhead.py [--runs 40] [--without-engine]

Draws with the embedded model in its own size, both models loaded before: through the library, and
through a server on this machine that answers in JSON. One client asks for one picture after the
other; library and server take turns, and the overhead is the median of the differences within a
turn. It is printed over the drawing alone, and over a drawing that the caller of the library also
encodes as a PNG file, as the server does.

The last column is the CPU time outside the engine, which has a process of its own: on a machine
with other work it says more than the time that passed. So does ``--without-engine``, with which a
picture that is ready stands for each drawing, on both sides.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import gpustack_draw

PROMPT, SEED = "a red circle on a blue background", 7
START = "from gpustack_draw.cli import run; run()"
# Draws once, and then returns copies of that picture, after the progress of four steps.
WITHOUT_ENGINE = """
import copy
from gpustack_draw import Model, Progress

draw, drawn = Model.draw, []

def draw_no_more(model, request, on_progress=None, *, preview=False):
    drawn.extend(() if drawn else draw(model, request, on_progress))
    for step in range(5):
        on_progress(Progress("sample", step, 4, 0.0))
    yield copy.copy(drawn[0])

Model.draw = draw_no_more
"""
DRAWING, FILE = "library", "library, and the PNG"


@dataclass
class Measured:
    """A way to a picture, and what it took.

    Attributes:
        draw: Draws a picture.
        cpu: Returns the CPU seconds of the process that calls the engine.
        seconds: Seconds of each picture.
        cpu_seconds: CPU seconds of each picture.
    """

    draw: Callable[[], object]
    cpu: Callable[[], float]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Draw a picture, and note what it took."""
        cpu, start = self.cpu(), time.perf_counter()
        self.draw()
        self.seconds.append(time.perf_counter() - start)
        self.cpu_seconds.append(self.cpu() - cpu)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40, help="pictures of each (default: 40)")
    parser.add_argument("--without-engine", action="store_true", help="do not draw each picture")
    options = parser.parse_args()
    runs, patch = options.runs, WITHOUT_ENGINE if options.without_engine else ""
    exec(patch, {})  # noqa: S102 - the text above
    request = gpustack_draw.DrawRequest(prompt=PROMPT, seed=SEED)
    with gpustack_draw.load("demo") as model, server(patch) as (address, process):

        def picture() -> gpustack_draw.Picture:
            return next(iter(model.draw(request, lambda _: None)))

        def encoded() -> bytes:
            return gpustack_draw.encode(picture(), fast=True)

        def cpu_of_server() -> float:
            return cpu_seconds(process)

        connection = http.client.HTTPConnection(address, timeout=300)
        measured = {
            DRAWING: Measured(picture, time.process_time),
            FILE: Measured(encoded, time.process_time),
            "server": Measured(lambda: ask(connection, {}), cpu_of_server),
            "server, stream": Measured(lambda: ask(connection, {"stream": True}), cpu_of_server),
        }
        for _ in range(2):  # load the models and select kernels
            for each in measured.values():
                each.draw()
        for _ in range(runs):
            connection.close()  # a server ends one that was idle for long
            connection.connect()
            for each in measured.values():
                each.run()
    print(f"{'ms':20} {'median':>8} {'over the drawing':>17} {'over the file':>14} {'CPU':>8}")
    for name, each in measured.items():
        figures = (
            statistics.median(each.seconds),
            difference(each, measured[DRAWING]),
            difference(each, measured[FILE]),
            statistics.mean(each.cpu_seconds),
        )
        print("{:20} {:8.1f} {:17.1f} {:14.1f} {:8.1f}".format(name, *(1000 * f for f in figures)))


def difference(measured: Measured, base: Measured) -> float:
    """Return the median of the differences within a turn, in seconds."""
    pairs = zip(measured.seconds, base.seconds, strict=True)
    return statistics.median(seconds - less for seconds, less in pairs)


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds of another process so far; not a number except on Linux."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return float("nan")
    words = path.read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def ask(connection: http.client.HTTPConnection, options: dict[str, object]) -> bytes:
    """Draw a picture through the server, and return the response."""
    body = json.dumps({"prompt": PROMPT, "seed": SEED, **options})
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/images/generations", body, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        sys.exit(f"the server responded {response.status}: {data[:300]!r}")
    return data


@contextmanager
def server(patch: str) -> Iterator[tuple[str, int]]:
    """Run a server with the embedded model; yield its host and port, and its process id."""
    command = [sys.executable, "-c", patch + START, "serve", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().decode().strip()).netloc
        if not address:
            sys.exit("the server did not start")
        while not is_ready(address):
            time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def is_ready(address: str) -> bool:
    """Return whether the model of a server is loaded."""
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status == 200


if __name__ == "__main__":
    main()
