"""The engine's process: its start, its stderr, and its end."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gpustack_draw.progress.callbacks import LogFunction

CLOSE_SECONDS = 2.0
_MAX_LOG_LINES = 30

# Imports this package from where the parent imported it, and nothing from the current folder. The
# package's parent folder is not added to sys.path: files there could shadow standard modules.
_START = """
import sys
if sys.path[0] == "":
    del sys.path[0]
from importlib import util
spec = util.spec_from_file_location(
    "gpustack_draw", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]]
)
package = sys.modules["gpustack_draw"] = util.module_from_spec(spec)
spec.loader.exec_module(package)
from gpustack_draw.engine.worker import main
main()
"""


class WorkerLog:
    """Keeps the last problems of the engine's log and passes all lines to a listener, if set."""

    def __init__(self) -> None:
        """Create a log without lines."""
        self.last_lines: deque[str] = deque(maxlen=_MAX_LOG_LINES)
        self.listener: LogFunction | None = None

    def add(self, level: str, text: str) -> None:
        """Add a line."""
        if level in {"warning", "error", "stderr"}:
            self.last_lines.append(text)
        listener = self.listener
        if listener is not None:
            listener(level, text)


class Launch:
    """Starts a process, reads its stderr and reaps it, in a thread that no signal interrupts.

    In the main thread, Ctrl-C inside Popen could leave a process behind that nothing refers to.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: WorkerLog
    ) -> None:
        """Create the launch; :meth:`process` starts it.

        Args:
            command: The command.
            environment: Its environment.
            log: Receives the lines of its stderr.
        """
        self._command, self._environment, self._log = command, environment, log
        self.reader = threading.Thread(target=self._run, daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._start_attempted = threading.Event()
        self._starting = threading.Lock()
        self._may_start = True

    @classmethod
    def of_worker(cls, log: WorkerLog) -> "Launch":
        """Return the launch of an engine's process."""
        package = str(Path(__file__).resolve().parents[1])
        environment = {
            **os.environ,
            # By default a failed assertion starts a debugger to print a backtrace.
            "GGML_NO_BACKTRACE": "1",
        }
        return cls([sys.executable, "-c", _START, package], environment, log)

    def process(self) -> "subprocess.Popen[bytes] | None":
        """Start the process and return it; ``None`` if it was ended before it started.

        Raises:
            OSError: The process could not be started.
        """
        self.reader.start()
        self._start_attempted.wait()
        if self._error is not None:
            raise self._error
        return self._process

    def _run(self) -> None:
        try:
            with self._starting:
                if self._may_start:
                    self._process = self._popen()
        except OSError as error:
            self._error = error
        finally:
            self._start_attempted.set()
        if self._process is None:
            return
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._log.add("stderr", line.decode(errors="replace").rstrip())
        self._process.wait()  # kill() does not wait long

    def _popen(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )

    @property
    def is_ended(self) -> bool:
        """True if this side has ended the process, or is about to."""
        return not self._may_start

    def kill(self, owner: int) -> None:
        """End the process, and prevent a later start.

        Args:
            owner: Process that this was created in; the child of a fork ends nothing.
        """
        process = self._last_process() if owner == os.getpid() else None
        if process is None:
            return
        try:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # a driver blocks it in the kernel
                process.wait(CLOSE_SECONDS)
        finally:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):  # unsent bytes for the ended process
                        stream.close()

    def _last_process(self) -> "subprocess.Popen[bytes] | None":
        """Prevent a later start and return the process, None if it was never started.

        Waits for a start in progress, but not for the thread: if Thread.start() was interrupted,
        the thread may or may not run later.
        """
        with self._starting:
            self._may_start = False
            return self._process
