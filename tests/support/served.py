"""Servers in processes of their own, and options of servers in this one."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.cli.arguments import parse_arguments
from gpustack_draw.cli.serve import read_options
from gpustack_draw.serve.options import ServeOptions

_START = "from gpustack_draw.cli import run; run()"
_MAX_SECONDS = 240.0  # to load the demo model on a machine with other work


@dataclass(frozen=True)
class ServedProcess:
    """A server that runs.

    Attributes:
        url: Its address, without a slash at the end.
        process: Its process.
        log: File of its standard error.
    """

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def status(self, path: str = "/health") -> int:
        """Return the HTTP status of a GET request; 0 if there is no answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def wait_until_ready(self) -> None:
        """Wait until the first model is loaded."""
        end = time.monotonic() + _MAX_SECONDS
        while self.status() != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def served(
    *arguments: str,
    folder: Path,
    ready: bool = True,
    program: tuple[str, ...] = ("-c", _START),
    **environment: str,
) -> Iterator[ServedProcess]:
    """Run ``gpustack-draw serve`` on a free port, and end it.

    Args:
        arguments: Its arguments, without ``--port``.
        folder: Current folder of the server, and place of its log.
        ready: Wait until the first model is loaded.
        program: Arguments of Python that run the command.
        environment: Variables to add to its environment.
    """
    log = folder / "serve.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, **environment},
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("http://"), log.read_text()
        server = ServedProcess(url, process, log)
        if ready:
            server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        process.stdout.close()


def options_of(*arguments: str) -> ServeOptions:
    """Return the options of a command line ``serve ARGUMENTS``."""
    return read_options(parse_arguments(["serve", *arguments]))
