"""Runs the command against a loopback GPUStack server and reads its errors."""

import os
import socket
from collections.abc import Iterator

import pytest
from loopback_gpustack import NEW, LoopbackGpustack
from PIL import Image

from gpustack_draw.cli.main import main

PROMPT = "a red circle"
NAME = "sd-turbo"
META = {"max_width": 1024, "max_height": 1024, "sampling_steps": 20, "cfg_scale": 4.5}
NOT_GPUSTACK = "check --server or GPUSTACK_SERVER_URL: use the host and port of its web page"


def wait_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays before retries."""
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.REFUSED_DELAYS", (0.01, 0.01))
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.BUSY_DELAYS", (0.01, 0.01))


def serve(release: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    """Yield a configured server with one running model, :data:`NAME`."""
    server = LoopbackGpustack(release)
    server.add(NAME, meta=META if release != NEW else {})
    monkeypatch.setenv("GPUSTACK_SERVER_URL", server.url)
    if release == NEW:
        monkeypatch.setenv("GPUSTACK_API_KEY", server.USER)
    yield server
    server.close()


def free_port() -> int:
    """Return a port that refuses connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def parameters(path: str) -> str:
    """Return the parameters text of a PNG file."""
    with Image.open(path) as image:
        image.load()
        return str(image.info["parameters"])


class FailingCommand:
    """A command that is expected to print an error and to write no file."""

    def __init__(self, capsys: pytest.CaptureFixture[str], url: str) -> None:
        """Create the command.

        Args:
            capsys: The captured output.
            url: The server's address; ``URL`` replaces it in the output.
        """
        self._capsys = capsys
        self._url = url

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command with a model and options.

        Returns:
            Exit status, message and hint.
        """
        status = main([arguments[0], PROMPT, "-q", "--size", "256x256", *arguments[1:]])
        output = self._capsys.readouterr()
        assert output.out == ""
        assert os.listdir() == []
        lines = output.err.replace(self._url, "URL").splitlines()
        message, hint = (line.removeprefix("gpustack-draw: ") for line in (*lines, "")[:2])
        return status, message, hint
