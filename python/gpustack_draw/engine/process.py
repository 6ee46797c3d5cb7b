"""Client of the engine's process: starts it, sends requests, reports how it ended."""

import os
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import IO, Any

from gpustack_draw import errors
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.messages import Message, read_error, read_message, write_message
from gpustack_draw.engine.process_end import closed_while_drawing, describe_end
from gpustack_draw.engine.results import (
    Device,
    DrawResult,
    EngineLora,
    EngineNames,
    EngineProgress,
    EngineTensor,
    LoadResult,
)
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.progress.pixels import Raster

EngineProgressFunction = Callable[[EngineProgress], None]

MAX_LOG_LINES = 30
CLOSE_SECONDS = 2.0

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


class EngineProcess:
    """An engine in a separate process, with the methods of CoreEngine; not thread-safe.

    The first call starts the process, and later calls reuse it. An interrupted call (Ctrl-C, an
    error in a callback) kills the process immediately, even while it loads or decodes.
    """

    def __init__(self) -> None:
        """Create a client; the first call starts the process."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end_process: Callable[[], object] = _do_nothing
        self._log = _Log()
        self._launch: _Launch | None = None
        self._messages_received = 0
        self._is_listening = False

    @property
    def messages_received(self) -> int | None:
        """Number of messages received; None while no message is awaited.

        A working process sends at least one message per second.
        """
        return self._messages_received if self._is_listening else None

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return self._process.pid if self._process is not None else None

    @property
    def is_loaded(self) -> bool:
        """True if the process runs, and so still has its model."""
        if self._process is not None and self._owner != os.getpid():
            self._process = None  # after a fork the process belongs to the parent
        return self._process is not None and self._process.poll() is None

    def load(self, **fields: Any) -> LoadResult:
        """Load a model; see CoreEngine.load."""
        return LoadResult(**self._call("load", **fields).fields)

    def draw(
        self,
        *,
        pictures: InputBuffers | None = None,
        loras: Sequence[EngineLora] = (),
        **fields: Any,
    ) -> DrawResult:
        """Draw a picture; see CoreEngine.draw."""
        fields["loras"] = [astuple(lora) for lora in loras]
        if pictures is not None:
            fields |= {"pictures": pictures.fields, "payload": pictures.buffers}
        answer = self._call("draw", **fields)
        return DrawResult(
            width=answer.fields["width"],
            height=answer.fields["height"],
            pixels=memoryview(answer.payload),
            lora_tensors=_pair(answer.fields["lora_tensors"]),
            step_cache=_pair(answer.fields["step_cache"]),
        )

    def engine_names(
        self, model_tensors: Sequence[EngineTensor], lora_names: Sequence[str]
    ) -> EngineNames:
        """Return the engine's names of tensors; see CoreEngine.engine_names."""
        tensors = [astuple(tensor) for tensor in model_tensors]
        answer = self._call("engine_names", model_tensors=tensors, lora_names=list(lora_names))
        return EngineNames(tuple(answer.fields["model"]), tuple(answer.fields["lora"]))

    def upscale(self, picture: memoryview, **fields: Any) -> DrawResult:
        """Upscale a picture; see CoreUpscaler.upscale."""
        answer = self._call("upscale", shape=picture.shape, payload=[picture], **fields)
        return DrawResult(**answer.fields, pixels=memoryview(answer.payload))

    def devices(self) -> list[Device]:
        """List the devices of this machine; see CoreEngine.devices."""
        return [Device(**fields) for fields in self._call("devices").fields["devices"]]

    def close(self) -> None:
        """End the process; a running call (this may be its callback) then fails."""
        self._process = None
        self._end_process()

    def cancel(self) -> None:
        """End the process from any thread, at any time: a running call fails, a later one works."""
        self._end_process()

    def _call(
        self,
        name: str,
        *,
        on_progress: EngineProgressFunction | None = None,
        on_log: LogFunction | None = None,
        **fields: Any,
    ) -> Message:
        try:
            process = self._running_process()
            assert self._launch is not None
            self._log.listener = on_log
            answer = self._exchange(process, name, fields, on_progress)
        except BaseException:
            # After Ctrl-C or an error in a callback the engine would continue for nobody.
            self.close()
            raise
        finally:
            self._log.listener = None
        if answer is None:
            raise self._closed() if self._launch.is_ended else self._crash(process)
        if answer.name == "failed":
            raise read_error(answer.fields)
        return answer

    def _exchange(
        self,
        process: "subprocess.Popen[bytes]",
        name: str,
        fields: Mapping[str, Any],
        on_progress: EngineProgressFunction | None,
    ) -> Message | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write_message(process.stdin, name, **fields)
        except OSError:
            return None
        except ValueError:
            if not process.stdin.closed:
                raise
            return None  # another thread called cancel()
        while (answer := self._next_message(process.stdout)) is not None:
            if answer.name == "log":
                self._log.add(answer.fields["level"], answer.fields["text"])
            elif answer.name == "progress":
                if on_progress is not None:
                    on_progress(_progress(answer))
            elif answer.name != "alive":
                break
        return answer

    def _next_message(self, stream: IO[bytes]) -> Message | None:
        self._is_listening = True
        try:
            answer = read_message(stream)
        except ValueError:
            if not stream.closed:
                raise
            return None  # a callback or another thread called close() or cancel()
        finally:
            self._is_listening = False
        self._messages_received += 1
        return answer

    def _running_process(self) -> "subprocess.Popen[bytes]":
        if not self.is_loaded:
            self.close()
            self._start()
        if self._process is None:  # cancel() was faster than the start
            raise self._closed()
        return self._process

    def _start(self) -> None:
        package = str(Path(__file__).resolve().parents[1])
        environment = {
            **os.environ,
            # By default a failed assertion starts a debugger to print a backtrace.
            "GGML_NO_BACKTRACE": "1",
        }
        self._log = _Log()
        self._owner = os.getpid()
        # The launch must not reference this object: its thread would keep the process alive.
        launch = _Launch([sys.executable, "-c", _START, package], environment, self._log)
        self._end_process = weakref.finalize(self, _kill, launch, self._owner)
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
            return SystemExit()  # Python is exiting; end this daemon thread quietly
        return closed_while_drawing()

    def _crash(self, process: "subprocess.Popen[bytes]") -> errors.EngineCrashed:
        status = process.wait()
        assert self._launch is not None
        self._launch.reader.join(CLOSE_SECONDS)  # the last line often names the cause
        self.close()
        last_lines = tuple(line for line in tuple(self._log.last_lines) if line)
        cause = f": {last_lines[-1]}" if last_lines else ""
        end, hint = describe_end(status)
        return errors.EngineCrashed(f"the engine {end}{cause}", hint=hint, last_lines=last_lines)


class _Launch:
    """Starts a process and reads its stderr, in a thread that no signal interrupts.

    In the main thread, Ctrl-C inside Popen could leave a process behind that nothing refers to.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], log: "_Log") -> None:
        self._command, self._environment, self._log = command, environment, log
        self.reader = threading.Thread(target=self._run, daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._start_attempted = threading.Event()
        self._starting = threading.Lock()
        self._may_start = True

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

    def last_process(self) -> "subprocess.Popen[bytes] | None":
        """Prevent a later start and return the process, None if it was never started.

        Waits for a start in progress, but not for the thread: if Thread.start() was interrupted,
        the thread may or may not run later.
        """
        with self._starting:
            self._may_start = False
            return self._process


class _Log:
    """Keeps the last problems of the engine's log and passes all lines to a listener, if set."""

    def __init__(self) -> None:
        self.last_lines: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self.listener: LogFunction | None = None

    def add(self, level: str, text: str) -> None:
        if level in {"warning", "error", "stderr"}:
            self.last_lines.append(text)
        listener = self.listener
        if listener is not None:
            listener(level, text)


def _pair(counts: Sequence[int] | None) -> tuple[int, int] | None:
    return None if counts is None else (counts[0], counts[1])


def _progress(message: Message) -> EngineProgress:
    fields = message.fields
    preview = Raster(message.payload, *fields["preview"]) if message.payload else None
    return EngineProgress(
        fields["phase"], fields["step"], fields["total"], fields["seconds"], preview
    )


def _do_nothing() -> None:
    pass


def _kill(launch: _Launch, owner: int) -> None:
    process = launch.last_process() if owner == os.getpid() else None
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
