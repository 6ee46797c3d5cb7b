"""Measure the download of a file beside that of ``huggingface_hub``.

    python benchmarks/fetch_speed.py

A hub on this machine sends a file of 2 GB with 20 MB/s a connection, as content networks limit
theirs. Both programs download it into empty folders, in turns, each in a process of its own. This
package also verifies the SHA-256 of the bytes on the disk, which is included.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from loopback_hub import Content, LoopbackHub

REPOSITORY, NAME = "acme/large", "model-Q8_0.gguf"
MB = 1_000_000
PERIOD = 16 * 1024 * 1024

OURS = """
from gpustack_draw.hub import Hub
hub = Hub()
hub.fetch([hub.repository({repository!r}, is_sufficient=None).file({name!r})])
"""
PEER = """
from huggingface_hub import hf_hub_download
hf_hub_download({repository!r}, {name!r})
"""
RUN = """
import json, resource, time
start = time.monotonic()
{program}
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6]))
"""
TITLES = ["this package", "hf_hub_download"]


class RepeatedContent(Content):
    """A large file that repeats random bytes, so that it needs little memory."""

    def __init__(self, size: int) -> None:
        """Compute the digest."""
        self.start = os.urandom(PERIOD)
        self.size = size
        digest = hashlib.sha256()
        for place in range(0, size, PERIOD):
            digest.update(self.start[: size - place])
        self.sha256 = digest.hexdigest()

    def read(self, begin: int, end: int) -> bytes:
        """Return a range of at most one period."""
        place = begin % PERIOD
        first = self.start[place : place + end - begin]
        return first + self.start[: end - begin - len(first)]


def serve(size: int, rate: float) -> None:
    """Serve the file until standard input ends."""
    hub = LoopbackHub()
    hub.add(REPOSITORY, {NAME: RepeatedContent(size)})
    hub.fail("/resolve/", rate=rate)
    print(hub.url, flush=True)
    sys.stdin.read()
    hub.close()


def measure(program: str, url: str) -> list[float]:
    """Run a program in an empty folder.

    Returns:
        Seconds, seconds of the CPU, and peak memory in MB.
    """
    code = RUN.format(program=program.format(repository=REPOSITORY, name=NAME))
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "HF_HOME": folder,
            "HF_ENDPOINT": url,
            "XDG_CACHE_HOME": folder,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [sys.executable, "-c", code]
        output = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        sizes = [path.stat().st_size for path in Path(folder).rglob("blobs/*")]
        assert len(sizes) == 1, "the file was not downloaded"
        os.sync()  # the next program does not wait for the disk
    return [float(each) for each in json.loads(output)]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=2000, help="size of the file")
    parser.add_argument("--rate", type=float, default=20, help="MB/s of each connection")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.megabytes * MB, options.rate * MB)
        return
    command = [sys.executable, __file__, "--serve", *sys.argv[1:]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        results: list[list[list[float]]] = [[], []]
        for _ in range(options.rounds):
            for found, program in zip(results, [OURS, PEER], strict=True):
                found.append(measure(program, url))
                time.sleep(1)
        assert server.stdin is not None
        server.stdin.close()
    print(f"| {options.megabytes} MB | seconds | MB/s | CPU seconds | peak MB |")
    print("|---|---|---|---|---|")
    medians = [[median(column) for column in zip(*found, strict=True)] for found in results]
    for title, (seconds, cpu, peak) in zip(TITLES, medians, strict=True):
        speed = options.megabytes / seconds
        print(f"| {title} | {seconds:.1f} | {speed:.0f} | {cpu:.1f} | {peak:.0f} |")
    print(f"ratio of the seconds: {medians[0][0] / medians[1][0]:.2f}")


if __name__ == "__main__":
    main()
