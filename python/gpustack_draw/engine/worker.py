"""Main program of the engine's process: reads requests from stdin, writes answers to stdout.

It runs until its parent closes its input. A failed assertion, a crash or a kill ends this process
only.
"""

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import IO, Any

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.messages import Message, error_fields, read_message, write_message
from gpustack_draw.engine.process_end import drawing_canceled
from gpustack_draw.engine.results import EngineLora, EngineProgress, EngineTensor
from gpustack_draw.errors import DrawError

PARENT_CHECK_SECONDS = 0.5
# The library parses prompts with std::regex, which recurses once per byte: a main thread's stack
# of 8 MiB overflows at about 25,000 bytes, which is 8,000 Chinese characters.
STACK_BYTES = 64 * 1024 * 1024
HEARTBEAT_SECONDS = 1.0


def main() -> None:
    """Serve the parent process until it ends."""
    # A terminal sends Ctrl-C to all its processes; the parent decides how to handle it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _take_over_stdout()
    _prefer_oom_kill()
    parent = os.getppid()
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    engine = CoreEngine()
    requests = _Requests(engine)
    threading.Thread(target=requests.read, daemon=True).start()
    threading.stack_size(STACK_BYTES)
    serving = threading.Thread(target=_serve_until_exit, args=(engine, requests, answers))
    serving.start()
    serving.join()


class _Requests:
    """The requests of the parent process, in their order, and their cancellation."""

    def __init__(self, engine: CoreEngine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._received = self._begun = self._canceled = 0  # numbers of requests

    def read(self) -> None:
        """Read requests until the parent closes its end; then end this process."""
        while (request := read_message(sys.stdin.buffer)) is not None:
            if request.name == "cancel":
                self._canceled = self._received
                self._engine.cancel()
            else:
                self._received += 1
                self._waiting.put(request)
        # Not sys.exit(): another thread may be inside the engine.
        os._exit(0)

    def next(self) -> Message:
        """Wait for the next request."""
        request = self._waiting.get()
        self._begun += 1
        return request

    def check(self) -> None:
        """Check that the request which is worked on is not canceled.

        CoreEngine.cancel() has no effect before a drawing has begun.

        Raises:
            EngineError: It is.
        """
        if self._begun <= self._canceled:
            raise drawing_canceled()


def _serve_until_exit(engine: CoreEngine, requests: _Requests, answers: IO[bytes]) -> None:
    try:
        _serve(engine, requests, partial(_answer, answers, threading.Lock()))
    except BaseException:
        # The parent quotes the last line. A regular exit of Python would abort, because the
        # reader thread is blocked on stdin.
        traceback.print_exc()
    finally:
        os._exit(1)


def _serve(engine: CoreEngine, requests: _Requests, answer: Callable[..., None]) -> None:
    def on_progress(progress: EngineProgress) -> None:
        requests.check()
        answer("progress", **_progress_fields(progress))

    def on_log(level: str, text: str) -> None:
        answer("log", level=level, text=text)

    is_working = threading.Event()
    threading.Thread(target=_send_heartbeats, args=(is_working, answer), daemon=True).start()
    while True:
        is_working.clear()
        request = requests.next()
        is_working.set()
        run = _ACTIONS[request.name]
        try:
            result = dict(run(engine, request, on_progress=on_progress, on_log=on_log))
        except DrawError as error:
            answer("failed", has_model=engine.is_loaded, error=error_fields(error))
        else:
            payload = result.pop("payload", ())
            answer("done", has_model=engine.is_loaded, result=result, payload=payload)


def _load(engine: CoreEngine, request: Message, **callbacks: Any) -> Mapping[str, Any]:
    return asdict(engine.load(**request.fields, **callbacks))


def _draw(engine: CoreEngine, request: Message, **callbacks: Any) -> Mapping[str, Any]:
    arguments = dict(request.fields)
    if request.payload:
        arguments["pictures"] = InputBuffers.from_payload(
            arguments["pictures"], memoryview(request.payload)
        )
    arguments["loras"] = [EngineLora(*lora) for lora in arguments["loras"]]
    result = engine.draw(**arguments, **callbacks)
    return {
        "width": result.width,
        "height": result.height,
        "lora_tensors": result.lora_tensors,
        "step_cache": result.step_cache,
        "payload": [result.pixels],
    }


def _engine_names(engine: CoreEngine, request: Message, **callbacks: Any) -> Mapping[str, Any]:
    tensors = [
        EngineTensor(name, tuple(shape), component)
        for name, shape, component in request.fields["model_tensors"]
    ]
    return asdict(engine.engine_names(tensors, request.fields["lora_names"], **callbacks))


def _measure_speed(engine: CoreEngine, request: Message, **callbacks: Any) -> Mapping[str, Any]:
    return {"operations_per_second": engine.measure_speed(**request.fields, **callbacks)}


def _upscale(engine: CoreEngine, request: Message, **callbacks: Any) -> Mapping[str, Any]:
    arguments = dict(request.fields)
    picture = memoryview(request.payload).cast("B", arguments.pop("shape"))
    result = engine.upscale(picture, **arguments, **callbacks)
    return {"width": result.width, "height": result.height, "payload": [result.pixels]}


def _list_devices(engine: CoreEngine, _request: Message, **callbacks: Any) -> Mapping[str, Any]:
    return {"devices": [asdict(device) for device in engine.devices(**callbacks)]}


_ACTIONS: Mapping[str, Callable[..., Mapping[str, Any]]] = {
    "load": _load,
    "draw": _draw,
    "upscale": _upscale,
    "devices": _list_devices,
    "measure_speed": _measure_speed,
    "engine_names": _engine_names,
}


def _progress_fields(progress: EngineProgress) -> Mapping[str, Any]:
    fields: dict[str, Any] = {
        "phase": progress.phase,
        "step": progress.step,
        "total": progress.total,
        "seconds": progress.seconds,
    }
    preview = progress.preview
    if preview is not None:
        fields |= {"preview": (preview.width, preview.height), "payload": [preview.pixels]}
    return fields


def _send_heartbeats(is_working: threading.Event, answer: Callable[..., None]) -> None:
    while is_working.wait():
        answer("alive")
        time.sleep(HEARTBEAT_SECONDS)


def _answer(stream: IO[bytes], lock: threading.Lock, name: str, **fields: Any) -> None:
    # The engine's loader threads send log lines too.
    with lock:
        write_message(stream, name, **fields)


def _take_over_stdout() -> IO[bytes]:
    """Reserve stdout for answers and redirect other output to stderr.

    Returns:
        A stream that writes to the original stdout.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _exit_with_parent(parent: int) -> None:
    # Stdin reaches its end when the parent ends, unless a sibling process inherited the pipe.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def _prefer_oom_kill() -> None:
    """Ask Linux to kill this process first when memory runs out."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:
        pass  # not Linux, or not permitted
