"""Measure the time that a request to the server takes beyond the drawing.

    python benchmarks/serve_overhead.py [--runs 40]

Draws with the embedded model in its own size, both models loaded before: through the library, and
through a server on this machine that answers in JSON. One client asks for one picture after the
other, on one connection; library and server take turns. The overhead is the difference to the
library: reading the request, the queue, encoding the PNG and base64, HTTP. On a machine with other
work, that of the fastest pictures is the better figure.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import gpustack_draw

PROMPT, SEED = "a red circle on a blue background", 7
START = "from gpustack_draw.cli import run; run()"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40, help="pictures of each (default: 40)")
    runs = parser.parse_args().runs
    request = gpustack_draw.DrawRequest(prompt=PROMPT, seed=SEED)
    with gpustack_draw.load("demo") as model, server() as address:
        connection = http.client.HTTPConnection(address, timeout=300)
        measured: dict[str, Callable[[], object]] = {
            "library": lambda: next(iter(model.draw(request, lambda _: None))),
            "library, and the PNG": lambda: gpustack_draw.encode(
                next(iter(model.draw(request, lambda _: None)))
            ),
            "server": lambda: ask(connection, {}),
            "server, stream": lambda: ask(connection, {"stream": True}),
        }
        seconds: dict[str, list[float]] = {name: [] for name in measured}
        for number in range(runs + 2):
            for name, draw in measured.items():
                start = time.perf_counter()
                draw()
                if number >= 2:  # the first ones load the model and select kernels
                    seconds[name].append(time.perf_counter() - start)
    base, fastest = statistics.median(seconds["library"]), min(seconds["library"])
    print(f"{'ms':20} {'median':>8} {'overhead':>9} {'fastest':>9} {'overhead':>9}")
    for name, values in seconds.items():
        middle, least = statistics.median(values), min(values)
        figures = (middle, middle - base, least, least - fastest)
        print(f"{name:20} {' '.join(f'{1000 * figure:8.1f} ' for figure in figures)}")


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
def server() -> Iterator[str]:
    """Run a server with the embedded model; yield its host and port."""
    command = [sys.executable, "-c", START, "serve", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().decode().strip()).netloc
        if not address:
            sys.exit("the server did not start")
        while not is_ready(address):
            time.sleep(0.1)
        yield address
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
