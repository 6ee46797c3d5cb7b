"""Client of the engine's process: starts it, sends requests, reports how it ended."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import IO, TYPE_CHECKING, Any

from gpustack_draw import errors
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.launch import CLOSE_SECONDS, Launch, WorkerLog
from gpustack_draw.engine.messages import Message, read_error, read_message, write_message
from gpustack_draw.engine.process_call import AbandonedCall, ProcessCall
from gpustack_draw.engine.process_end import (
    closed_while_drawing,
    drawing_canceled,
    ended_error,
)
from gpustack_draw.engine.results import (
    Device,
    DrawResult,
    EngineLora,
    EngineNames,
    EngineProgress,
    EngineTensor,
    LoadResult,
)
from gpustack_draw.memory.oom_kills import oom_kills
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.progress.pixels import Raster

if TYPE_CHECKING:
    import subprocess

EngineProgressFunction = Callable[[EngineProgress], None]


class EngineProcess:
    """An engine in a separate process, with the methods of CoreEngine; not thread-safe.

    The first call starts the process, and later calls reuse it. A drawing that is canceled, or
    interrupted by Ctrl-C or an error in a callback, stops within moments, and the model stays
    loaded; if it takes longer than loading the model did, the process is killed. Any other
    interrupted call, and one that loads, kills the process immediately.
    """

    def __init__(self) -> None:
        """Create a client; the first call starts the process."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end_process: Callable[[], object] = _do_nothing
        self._log = WorkerLog()
        self._launch: Launch | None = None
        self._call_now: ProcessCall | None = None
        self._abandoned: AbandonedCall | None = None
        self._has_model = False
        self._load_seconds = 0.0
        self._phase = ""  # of the running call
        self._oom_kills: int | None = None  # before it
        self._messages_received = 0
        self._is_listening = False
        self._is_within_message = False

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
        """True if the process runs and has a model that can draw.

        Waits a moment for the end of a drawing that was interrupted.
        """
        return self._is_running() and self._has_model

    def _is_running(self) -> bool:
        if self._process is not None and self._owner != os.getpid():
            self._process = self._abandoned = None  # after a fork the process is the parent's
        if self._abandoned is not None:
            answer = self._abandoned.wait()
            self._abandoned = None
            if answer is None:
                self.close()
            else:
                self._has_model = answer.fields["has_model"]
        return self._process is not None and self._process.poll() is None

    def load(self, **fields: Any) -> LoadResult:
        """Load a model; see CoreEngine.load."""
        began = time.monotonic()
        result = LoadResult(**self._call("load", **fields).fields)
        self._load_seconds = time.monotonic() - began
        return result

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

    def measure_speed(self, *, device: str, threads: int) -> float:
        """Measure the speed of a device; see CoreEngine.measure_speed."""
        answer = self._call("measure_speed", device=device, threads=threads)
        return float(answer.fields["operations_per_second"])

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

    def devices(self, *, on_log: LogFunction | None = None) -> list[Device]:
        """List the devices of this machine; see CoreEngine.devices."""
        answer = self._call("devices", on_log=on_log)
        return [Device(**fields) for fields in answer.fields["devices"]]

    def close(self) -> None:
        """End the process; a running call (this may be its callback) then fails."""
        self._process = self._abandoned = None
        self._end_process()

    def cancel(self) -> None:
        """Cancel the running call from any thread, at any time: it fails, a later one works."""
        call = self._call_now
        if call is not None and self._owner == os.getpid():
            call.cancel()

    def _call(
        self,
        name: str,
        *,
        on_progress: EngineProgressFunction | None = None,
        on_log: LogFunction | None = None,
        **fields: Any,
    ) -> Message:
        self._phase, self._oom_kills = "", oom_kills()
        call = self._call_now = ProcessCall(name, self._end_any_process, self._load_seconds)
        try:
            process = self._running_process()
            assert self._launch is not None
            self._log.listener = on_log
            answer = self._exchange(process, call, name, fields, on_progress)
            call.finish()
        except BaseException:
            self._abandon(call)
            raise
        finally:
            self._call_now = None
            self._log.listener = None
        if answer is not None:
            self._has_model = answer.fields["has_model"]
        if call.is_canceled:
            raise drawing_canceled()
        if answer is None:
            raise self._closed() if self._launch.is_ended else self._crash(process)
        if answer.name == "failed":
            error = read_error(answer.fields["error"])
            if isinstance(error, errors.NotEnoughMemoryError):
                self.close()  # frees what the failed call has allocated
            raise error
        return Message(answer.name, answer.fields["result"], answer.payload)

    def _end_any_process(self) -> None:
        self._end_process()

    def _abandon(self, call: ProcessCall) -> None:
        """Stop the work for a call that was interrupted; otherwise it would go on for nobody."""
        is_kept = False
        try:
            process = self._process
            if call.can_stop and not self._is_within_message and process is not None:
                assert process.stdout is not None
                call.cancel()
                self._abandoned = AbandonedCall(call, process.stdout)
                is_kept = True
        finally:
            if not is_kept:
                call.finish()
                self.close()

    def _exchange(
        self,
        process: "subprocess.Popen[bytes]",
        call: ProcessCall,
        name: str,
        fields: Mapping[str, Any],
        on_progress: EngineProgressFunction | None,
    ) -> Message | None:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin
        try:
            if not call.send(stdin, lambda: write_message(stdin, name, **fields)):
                return None
        except OSError:
            return None
        except ValueError:
            if not stdin.closed:
                raise
            return None  # another thread called cancel()
        while (answer := self._next_message(process.stdout)) is not None:
            if answer.name == "log":
                self._log.add(answer.fields["level"], answer.fields["text"])
            elif answer.name == "progress":
                self._phase = answer.fields["phase"]
                if on_progress is not None:
                    on_progress(_progress(answer))
            elif answer.name != "alive":
                break
        return answer

    def _next_message(self, stream: IO[bytes]) -> Message | None:
        self._is_listening = True
        try:
            stream.peek(1)  # type: ignore[attr-defined]  # waits; an interrupt loses nothing
            self._is_within_message = True
            answer = read_message(stream)
            self._is_within_message = False
        except ValueError:
            if not stream.closed:
                raise
            return None  # a callback or another thread called close() or cancel()
        finally:
            self._is_listening = False
        self._messages_received += 1
        return answer

    def _running_process(self) -> "subprocess.Popen[bytes]":
        if not self._is_running():
            self.close()
            self._start()
        if self._process is None:  # cancel() was faster than the start
            raise self._closed()
        return self._process

    def _start(self) -> None:
        self._log = WorkerLog()
        self._owner = os.getpid()
        self._has_model = self._is_within_message = False
        # The launch must not reference this object: its thread would keep the process alive.
        launch = Launch.of_worker(self._log)
        self._end_process = weakref.finalize(self, launch.kill, self._owner)
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

    def _crash(self, process: "subprocess.Popen[bytes]") -> errors.EngineError:
        status = process.wait()
        assert self._launch is not None
        self._launch.reader.join(CLOSE_SECONDS)  # the last line often names the cause
        self.close()
        last_lines = [line for line in tuple(self._log.last_lines) if line]
        before, now = self._oom_kills, oom_kills()
        was_oom_kill = None if before is None or now is None else now > before
        return ended_error(status, last_lines, phase=self._phase, was_oom_kill=was_oom_kill)


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
