"""The engine's own process: takes messages on standard input, answers on standard output.

It lives as long as its parent keeps its input open. A failed assertion, a crash or a kill ends
this process alone.
"""

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.messages import Message, read_message, write_message
from gpustack_draw.errors import DrawError
from gpustack_draw.progress.pixels import Raster

PARENT_CHECK_SECONDS = 0.5
# The library reads prompts with std::regex, which calls itself once for each byte: 8 MiB, as a main
# thread has, end at about 25,000 bytes, which are 8,000 Chinese characters.
STACK_BYTES = 64 * 1024 * 1024
ALIVE_SECONDS = 1.0


def main() -> None:
    """Serve the parent process until it is gone."""
    # Ctrl-C reaches every process of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _take_over_standard_output()
    _be_the_first_to_go_when_memory_runs_out()
    parent = os.getppid()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    threading.stack_size(STACK_BYTES)
    serving = threading.Thread(target=_serve_to_the_end, args=(requests, answers))
    serving.start()
    serving.join()


def _serve_to_the_end(requests: "queue.SimpleQueue[Message]", answers: IO[bytes]) -> None:
    try:
        _serve(requests, partial(_answer, answers, threading.Lock()))
    except BaseException:
        # The parent quotes the last line. Python's own end would abort over the waiting reader.
        traceback.print_exc()
    finally:
        os._exit(1)


def _serve(requests: "queue.SimpleQueue[Message]", answer: Callable[..., None]) -> None:
    engine = CoreEngine()
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "load": engine.load,
        "draw": engine.draw,
        "devices": engine.devices,
    }

    def on_progress(
        phase: str, step: int, total: int, seconds: float, preview: Raster | None
    ) -> None:
        fields: dict[str, Any] = {"phase": phase, "step": step, "total": total, "seconds": seconds}
        if preview is not None:
            fields["preview"] = (preview.width, preview.height)
            fields["payload"] = preview.pixels
        answer("progress", **fields)

    def on_log(level: str, text: str) -> None:
        answer("log", level=level, text=text)

    is_working = threading.Event()
    threading.Thread(target=_tell_that_it_lives, args=(is_working, answer), daemon=True).start()
    while True:
        is_working.clear()
        request = requests.get()
        is_working.set()
        try:
            result = actions[request.kind](**request.fields, on_progress=on_progress, on_log=on_log)
        except DrawError as error:
            kind = type(error).__name__
            answer("failed", error=kind, message=error.message, hint=error.hint)
        else:
            answer("done", payload=result.pop("pixels", None), **result)


def _tell_that_it_lives(is_working: threading.Event, answer: Callable[..., None]) -> None:
    while is_working.wait():
        answer("alive")
        time.sleep(ALIVE_SECONDS)


def _answer(stream: IO[bytes], lock: threading.Lock, kind: str, **fields: Any) -> None:
    # Log lines come from the engine's loader threads too.
    with lock:
        write_message(stream, kind, **fields)


def _take_over_standard_output() -> IO[bytes]:
    """Keep the pipe for answers alone: what the engine prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _read_requests(requests: "queue.SimpleQueue[Message]") -> None:
    while (request := read_message(sys.stdin.buffer)) is not None:
        requests.put(request)
    # Not sys.exit: the main thread may be deep in the engine.
    os._exit(0)


def _end_with_parent(parent: int) -> None:
    # The end of standard input usually says it; not when a sibling process inherited our pipe.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def _be_the_first_to_go_when_memory_runs_out() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:
        pass  # not Linux, or not allowed: then the system chooses
