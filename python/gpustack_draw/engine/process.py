"""The caller's side of the engine's process: starts it, asks it, tells how it ended."""

import os
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from gpustack_draw import errors
from gpustack_draw.engine.messages import Message, read_message, write_message
from gpustack_draw.engine.process_end import closed_while_drawing, how_it_ended
from gpustack_draw.progress.pixels import Raster

RawProgress = Callable[[str, int, int, float, Raster | None], None]
LogFunction = Callable[[str, str], None]

KEPT_LINES = 30
CLOSE_SECONDS = 2.0

# Runs the code of its parent, wherever that was imported from, and nothing of the current folder.
# The package's folder does not go on the path: beside it may lie what shadows Python's own modules.
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


class EngineProcess:
    """An engine in a process of its own, with CoreEngine's calls; not for two threads at once.

    The process starts with the first call and stays for the next ones. Whatever interrupts a call
    (Ctrl-C, an error in a callback) kills it, at any moment, loading and decoding included.
    """

    def __init__(self) -> None:
        """Prepare; the process starts with the first call."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: Callable[[], object] = _nothing
        self._log = _Log()
        self._launch: _Launch | None = None
        self._heard = 0
        self._is_listening = False

    @property
    def heard(self) -> int | None:
        """How many messages have come; None while none is waited for.

        The process sends at least one every second while it works.
        """
        return self._heard if self._is_listening else None

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def is_loaded(self) -> bool:
        """Whether a process is there (and with it what it loaded)."""
        if self._process is not None and self._owner != os.getpid():
            self._process = None  # forked: the process belongs to our parent
        return self._process is not None and self._process.poll() is None

    def load(self, **fields: Any) -> dict[str, Any]:
        """Load a model; see CoreEngine.load."""
        return self._call("load", **fields)

    def draw(self, **fields: Any) -> dict[str, Any]:
        """Draw a picture; see CoreEngine.draw."""
        return self._call("draw", **fields)

    def devices(self) -> dict[str, Any]:
        """List devices; see CoreEngine.devices."""
        return self._call("devices")

    def close(self) -> None:
        """End the process. From another thread or a callback, the call that it works for fails."""
        self._process = None
        self._end()

    def _call(
        self,
        kind: str,
        *,
        on_progress: RawProgress | None = None,
        on_log: LogFunction | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        try:
            process = self._running_process()
            assert self._launch is not None
            self._log.listener = on_log
            answer = self._exchange(process, kind, fields, on_progress)
        except BaseException:
            # Ctrl-C, or an error in a callback: the engine would go on with what nobody waits for.
            self.close()
            raise
        finally:
            self._log.listener = None
        if answer is None:
            raise self._closed() if self._launch.is_ended else self._crash(process)
        return _result(answer)

    def _exchange(
        self,
        process: "subprocess.Popen[bytes]",
        kind: str,
        fields: Mapping[str, Any],
        on_progress: RawProgress | None,
    ) -> Message | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write_message(process.stdin, kind, **fields)
        except OSError:
            return None
        while (answer := self._next_message(process.stdout)) is not None:
            if answer.kind == "log":
                self._log.add(answer.fields["level"], answer.fields["text"])
            elif answer.kind == "progress":
                if on_progress is not None:
                    on_progress(*_progress(answer))
            elif answer.kind != "alive":
                break
        return answer

    def _next_message(self, stream: IO[bytes]) -> Message | None:
        self._is_listening = True
        try:
            answer = read_message(stream)
        except ValueError:
            if not stream.closed:
                raise
            return None  # close() was called by a callback, or another thread
        finally:
            self._is_listening = False
        self._heard += 1
        return answer

    def _running_process(self) -> "subprocess.Popen[bytes]":
        if not self.is_loaded:
            self.close()
            self._start()
        assert self._process is not None
        return self._process

    def _start(self) -> None:
        package = str(Path(__file__).resolve().parents[1])
        environment = {
            **os.environ,
            # Without this, a failed assertion starts a debugger to print a backtrace.
            "GGML_NO_BACKTRACE": "1",
        }
        self._log = _Log()
        self._owner = os.getpid()
        # It must not know this object: its thread would keep it, and so the process, for ever.
        launch = _Launch([sys.executable, "-c", _START, package], environment, self._log)
        self._end = weakref.finalize(self, _end, launch, self._owner)
        self._launch = launch
        try:
            self._process = launch.process()
        except OSError as error:
            raise errors.EngineError(
                f"the engine's process could not be started: {error}"
            ) from error

    def _closed(self) -> BaseException:
        self.close()
        if not threading.main_thread().is_alive():
            return SystemExit()  # Python ends, and this daemon thread with it, which nobody awaits
        return closed_while_drawing()

    def _crash(self, process: "subprocess.Popen[bytes]") -> errors.EngineCrashed:
        status = process.wait()
        assert self._launch is not None
        self._launch.reader.join(CLOSE_SECONDS)  # the last words come last
        self.close()
        last_lines = tuple(line for line in tuple(self._log.last_lines) if line)
        said = f": {last_lines[-1]}" if last_lines else ""
        how, hint = how_it_ended(status)
        return errors.EngineCrashed(f"the engine {how}{said}", hint=hint, last_lines=last_lines)


class _Launch:
    """Starts a process and reads what it says, in a thread, which no signal interrupts.

    So whoever ends it knows of it at every moment: an interrupted Popen leaves a process behind
    that nobody has a name for.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], log: "_Log") -> None:
        self._command, self._environment, self._log = command, environment, log
        self.reader = threading.Thread(target=self._run, daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._is_done = threading.Event()
        self._starting = threading.Lock()
        self._is_wanted = True

    def process(self) -> "subprocess.Popen[bytes]":
        """Start it.

        Raises:
            OSError: It could not be started.
        """
        self.reader.start()
        self._is_done.wait()
        if self._error is not None:
            raise self._error
        assert self._process is not None
        return self._process

    def _run(self) -> None:
        try:
            with self._starting:
                if self._is_wanted:
                    self._process = self._popen()
        except OSError as error:
            self._error = error
        finally:
            self._is_done.set()
        if self._process is None:
            return
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._log.add("stderr", line.decode(errors="replace").rstrip())

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
        """Whether the process was ended from here, or is about to be."""
        return not self._is_wanted

    def last_process(self) -> "subprocess.Popen[bytes] | None":
        """Give the process, None if there is none; from now on there will be no other.

        A process on its way is waited for, a thread is not: nobody can tell whether one comes that
        was interrupted while it was started.
        """
        with self._starting:
            self._is_wanted = False
            return self._process


class _Log:
    """What the engine says: the last lines are kept, all go to a listener while there is one."""

    def __init__(self) -> None:
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.listener: LogFunction | None = None

    def add(self, level: str, text: str) -> None:
        if level in {"warning", "error", "stderr"}:
            self.last_lines.append(text)
        listener = self.listener
        if listener is not None:
            listener(level, text)


def _progress(told: Message) -> tuple[str, int, int, float, Raster | None]:
    values = told.fields
    preview = Raster(told.payload, *values["preview"]) if told.payload else None
    return values["phase"], values["step"], values["total"], values["seconds"], preview


def _nothing() -> None:
    """End no process: there is none yet."""


def _result(answer: Message) -> dict[str, Any]:
    fields = dict(answer.fields)
    if answer.kind == "failed":
        raise getattr(errors, fields["error"])(fields["message"], hint=fields["hint"])
    if answer.payload:
        fields["pixels"] = memoryview(answer.payload)
    return fields


def _end(launch: _Launch, owner: int) -> None:
    process = launch.last_process() if owner == os.getpid() else None
    if process is None:
        return
    try:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # the kernel holds it, deep in a driver
            process.wait(CLOSE_SECONDS)
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # it held bytes for a process that is gone
                    stream.close()
