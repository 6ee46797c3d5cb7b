"""The health check of the container images: whether ``gpustack-draw serve`` can draw.

Reads the address from the command line of the container's first process; a container that runs
another command is healthy while it runs.
"""

import sys
import urllib.request
from pathlib import Path

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared, not bound


def health_url(arguments: list[str]) -> str:
    """Return the address of the server's state; empty if the command is not ``serve``.

    Args:
        arguments: The command line of the first process.
    """
    if "serve" not in arguments:
        return ""
    host = _value(arguments, "--host", "127.0.0.1")
    host = _EVERY_ADDRESS.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{_value(arguments, '--port', '1234')}/health"


def _value(arguments: list[str], option: str, default: str) -> str:
    """Return the last value of an option, which is the one that counts."""
    for index in range(len(arguments) - 1, -1, -1):
        name, equals, value = arguments[index].partition("=")
        if name == option:
            return value if equals else "".join(arguments[index + 1 : index + 2])
    return default


if __name__ == "__main__":
    command_line = Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0")
    url = health_url(command_line)
    # A proxy of the environment is not for this container's own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        if url:
            opener.open(url, timeout=3).close()
    except OSError as error:
        sys.exit(f"{url}: {error}")
