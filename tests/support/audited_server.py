"""Run the command, and write to a file which files, processes and addresses Python opens.

    python audited_server.py RECORD serve demo --port 0

Each line of the record is an event of Python's audit hooks and its first argument in JSON. The
engine's own process is not recorded; :mod:`opened_files` watches a folder for all processes.
"""

import json
import os
import sys

_EVENTS = frozenset(
    {
        "open",
        "os.chdir",
        "os.chmod",
        "os.listdir",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.scandir",
        "os.truncate",
        "os.utime",
        "shutil.copyfile",
        "shutil.move",
        "shutil.rmtree",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "tempfile.mkdtemp",
        "tempfile.mkstemp",
    }
)


def record_to(path: str) -> None:
    """Append the events of this process to a file."""
    record = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _EVENTS:
            subject = arguments[1] if event == "socket.connect" else arguments[0]
            os.write(record, json.dumps([event, str(subject)]).encode() + b"\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    record_to(sys.argv.pop(1))
    from gpustack_draw.cli import run

    run()
