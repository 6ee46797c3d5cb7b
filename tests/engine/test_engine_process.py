"""The worker process: reuse, crashes, interrupts, and its end with the parent process."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from processes import running_process, running_processes, worker_pid

import gpustack_draw
import gpustack_draw.api
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.engine import launch
from gpustack_draw.engine import process as engine_process
from gpustack_draw.errors import EngineCrashed, EngineError, ModelFileError
from gpustack_draw.model import Model
from gpustack_draw.progress.progress import Progress

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"
QUICK = {"size": (128, 128), "sample_steps": 2, "seed": 7}
# Phases long enough to be interrupted: 10,000 steps, or a picture whose decoding takes seconds.
LONG_SAMPLE = {"size": (128, 128), "sample_steps": 10_000}
LONG_DECODE = {"size": (768, 768), "sample_steps": 1}
CLOSED = ("the model was closed while it drew", "close it after its drawings have ended")


@pytest.fixture
def model() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


def is_running(pid: int) -> bool:
    return running_process(pid) is not None


def children() -> list[int]:
    return [process.pid for process in running_processes() if process.parent == os.getpid()]


def wait_until_gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_second_picture_reuses_the_loaded_model(model: Model) -> None:
    phases: list[str] = []
    model.generate(PROMPT, **QUICK, on_progress=lambda progress: phases.append(progress.phase))
    first_pid = worker_pid(model)
    assert "load" in phases
    phases.clear()
    model.generate(PROMPT, **QUICK, on_progress=lambda progress: phases.append(progress.phase))
    assert "load" not in phases
    assert worker_pid(model) == first_pid


def test_worker_and_in_process_draw_the_same_pixels(model: Model) -> None:
    with gpustack_draw.load("demo", in_process=True) as here:
        assert model.generate(PROMPT, **QUICK).tobytes() == here.generate(PROMPT, **QUICK).tobytes()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
@pytest.mark.parametrize(
    ("phase", "options"),
    [("load", QUICK), ("encode", QUICK), ("sample", LONG_SAMPLE), ("decode", LONG_DECODE)],
)
def test_a_crash_of_the_worker_is_an_error_and_the_next_call_works(
    model: Model, phase: str, options: dict[str, object], signal_number: signal.Signals
) -> None:
    def end_worker(progress: Progress) -> None:
        if progress.phase == phase:
            os.kill(worker_pid(model), signal_number)

    with pytest.raises(EngineCrashed) as caught:
        model.generate(PROMPT, **options, on_progress=end_worker)  # type: ignore[arg-type]
    assert {
        signal.SIGKILL: "was killed (SIGKILL)",
        signal.SIGABRT: "aborted on a failed assertion (SIGABRT)",
        signal.SIGSEGV: "crashed (SIGSEGV)",
    }[signal_number] in caught.value.message
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_an_error_in_the_callback_is_raised_and_ends_a_worker_that_loads(model: Model) -> None:
    pids: list[int] = []

    def fail(progress: Progress) -> None:
        pids.append(worker_pid(model))
        raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        model.generate(PROMPT, **QUICK, on_progress=fail)
    assert wait_until_gone(pids[0], 1.0)
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_interrupt_stops_at_once_while_decoding_and_the_model_stays_loaded(model: Model) -> None:
    began: list[float] = []

    def interrupt(progress: Progress) -> None:
        if progress.phase == "decode" and not began:
            began.append(time.monotonic())
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        model.generate(PROMPT, **LONG_DECODE, on_progress=interrupt)  # type: ignore[arg-type]
    assert time.monotonic() - began[0] < 1.0
    pid = worker_pid(model)
    phases: list[str] = []
    model.generate(PROMPT, **QUICK, on_progress=lambda progress: phases.append(progress.phase))
    assert "load" not in phases
    assert worker_pid(model) == pid


@pytest.mark.parametrize("how", ["killed", "returned"])
def test_worker_ends_with_its_parent(how: str) -> None:
    script = """
import os, signal, sys, gpustack_draw
model = gpustack_draw.load("demo")
def report(progress):
    if progress.phase == "sample" and progress.step == 1:
        print(model._engine._engine.pid, flush=True)
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
model.generate("x", size=(128, 128), sample_steps=10000, on_progress=report)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, how], capture_output=True, text=True, timeout=60, check=False
    )
    pid = int(done.stdout)
    assert wait_until_gone(pid, 2.0)


def test_worker_ends_with_its_parent_when_another_child_keeps_its_pipe_open() -> None:
    script = """
import os, signal, sys, time, gpustack_draw
model = gpustack_draw.load("demo")
def report(progress):
    if progress.phase == "sample" and progress.step == 1:
        sleeper = os.fork()
        if sleeper == 0:
            os.close(1)
            time.sleep(30)
            os._exit(0)
        print(model._engine._engine.pid, sleeper, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
model.generate("x", size=(128, 128), sample_steps=10000, on_progress=report)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    pid, sleeper = map(int, done.stdout.split())
    try:
        assert wait_until_gone(pid, 2.0)
    finally:
        os.kill(sleeper, signal.SIGKILL)


# Python 3.12 and later warn about a fork beside other threads, which is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_draws_with_its_own_worker(model: Model) -> None:
    model.generate(PROMPT, **QUICK)
    pid = worker_pid(model)
    child = os.fork()
    if child == 0:
        try:
            model.generate(PROMPT, **QUICK)
            os._exit(0 if worker_pid(model) != pid else 2)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert is_running(pid)
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_while_another_thread_draws_can_draw(model: Model) -> None:
    drawing, forked = threading.Event(), threading.Event()

    def hold(progress: Progress) -> None:
        drawing.set()
        forked.wait(60)

    thread = threading.Thread(
        target=model.generate, args=(PROMPT,), kwargs={**QUICK, "on_progress": hold}
    )
    thread.start()
    drawing.wait(60)
    child = os.fork()
    if child == 0:
        try:
            model.generate(PROMPT, **QUICK)
            os._exit(0)
        except BaseException:
            os._exit(1)
    forked.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_while_another_thread_loads_can_draw() -> None:
    with gpustack_draw.api._last_model_lock:  # a thread in generate() holds this lock
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(60)
                gpustack_draw.generate("demo", PROMPT, **QUICK)
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_a_model(model: Model) -> None:
    expected = [model.generate(PROMPT, **{**QUICK, "seed": seed}).tobytes() for seed in range(3)]
    drawn: dict[int, bytes] = {}

    def draw(seed: int) -> None:
        drawn[seed] = model.generate(PROMPT, **{**QUICK, "seed": seed}).tobytes()

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [drawn[seed] for seed in range(3)] == expected


def test_a_callback_cannot_draw_with_the_same_model(model: Model) -> None:
    def draw_again(progress: Progress) -> None:
        model.generate(PROMPT, **QUICK)

    with pytest.raises(EngineError, match="a callback of a drawing cannot draw"):
        model.generate(PROMPT, **QUICK, on_progress=draw_again)
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_close_waits_for_the_drawing_of_another_thread(model: Model) -> None:
    drawn: list[object] = []
    began = threading.Event()

    def draw() -> None:
        drawn.append(model.generate(PROMPT, **QUICK, on_progress=lambda _progress: began.set()))

    thread = threading.Thread(target=draw)
    thread.start()
    began.wait()
    model.close()
    thread.join()
    assert len(drawn) == 1


def test_close_ends_the_drawing_of_a_worker_that_does_not_respond(model: Model) -> None:
    errors: list[EngineError] = []
    stopped = threading.Event()

    def stop_worker(progress: Progress) -> None:
        if progress.phase == "sample" and not stopped.is_set():
            os.kill(worker_pid(model), signal.SIGSTOP)
            stopped.set()

    def draw() -> None:
        with pytest.raises(EngineError) as caught:
            model.generate(PROMPT, **LONG_SAMPLE, on_progress=stop_worker)  # type: ignore[arg-type]
        errors.append(caught.value)

    thread = threading.Thread(target=draw)
    thread.start()
    stopped.wait(60)
    pid = worker_pid(model)
    model.close()
    thread.join(10)
    assert [(error.message, error.hint) for error in errors] == [CLOSED]
    assert not is_running(pid)
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("phase", ["load", "sample", "decode"])
def test_close_in_a_callback_ends_the_drawing(phase: str, in_process: bool) -> None:
    def close(progress: Progress) -> None:
        if progress.phase == phase:
            model.close()

    with gpustack_draw.load("demo", in_process=in_process) as model:
        for _ in range(2):
            with pytest.raises(EngineError) as caught:
                model.generate(PROMPT, **QUICK, on_progress=close)
            assert (caught.value.message, caught.value.hint) == CLOSED
        assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_the_worker_sends_messages_while_it_decodes(model: Model) -> None:
    decoding = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.phase == "decode":
            decoding.set()

    def draw() -> None:
        with pytest.raises(EngineCrashed):
            model.generate(PROMPT, size=(2048, 2048), sample_steps=1, on_progress=watch)

    thread = threading.Thread(target=draw)
    thread.start()
    decoding.wait(120)
    counts = []
    end = time.monotonic() + 60
    while len(set(counts)) < 3 and time.monotonic() < end:
        counts.append(model._engine._engine.messages_received)  # type: ignore[union-attr]
        time.sleep(0.02)
    os.kill(worker_pid(model), signal.SIGKILL)
    thread.join()
    assert len(set(counts)) == 3


def test_close_ends_the_worker_and_a_later_drawing_starts_it_again(model: Model) -> None:
    model.generate(PROMPT, **QUICK)
    pid = worker_pid(model)
    model.close()
    assert wait_until_gone(pid, 1.0)
    assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_an_interrupt_while_the_worker_starts_leaves_no_process(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class InterruptedPopen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # the process exists, but Popen has not returned

    monkeypatch.setattr(subprocess, "Popen", InterruptedPopen)
    with pytest.raises(KeyboardInterrupt):
        model.generate(PROMPT, **QUICK)
    assert [is_running(pid) for pid in started] == [False]


def test_an_interrupt_at_any_line_of_the_start_leaves_no_process() -> None:
    def is_interrupted_at(moment: int) -> bool:
        lines = itertools.count(1)

        def trace(frame: FrameType, event: str, _argument: object) -> object:
            if frame.f_code.co_filename not in {engine_process.__file__, launch.__file__}:
                return None
            if event == "line" and next(lines) == moment:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        engine = engine_process.EngineProcess()
        sys.settrace(trace)
        try:
            engine.devices()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
            engine.close()
        return False

    moment, others = 1, children()
    while True:
        before = time.monotonic()
        if not is_interrupted_at(moment):
            break
        assert time.monotonic() - before < 1.5, f"interrupted at the {moment}th executed line"
        assert children() == others, f"interrupted at the {moment}th executed line"
        moment += 1
    assert moment > 50


def test_a_process_that_ends_late_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python warns of a Popen object that is collected before, and here warnings are errors."""
    monkeypatch.setattr(launch, "CLOSE_SECONDS", 0.0)
    for _ in range(5):
        engine = engine_process.EngineProcess()
        engine.devices()
        pid = engine.pid
        engine.close()
        del engine
        gc.collect()
        assert pid is not None
        assert wait_until_gone(pid, 2.0)


def test_a_garbage_collected_model_ends_its_worker() -> None:
    model = gpustack_draw.load("demo")
    model.generate(PROMPT, **QUICK)
    pid = worker_pid(model)
    del model
    gc.collect()
    assert wait_until_gone(pid, 1.0)


def test_closing_and_drawing_again_leaves_nothing_behind(model: Model) -> None:
    def count() -> tuple[int, int, int]:
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        return files, threading.active_count(), len(weakref.finalize._registry)  # type: ignore[attr-defined]

    model.generate(PROMPT, **QUICK)
    before = count()
    for _ in range(3):
        model.close()
        model.generate(PROMPT, **QUICK)
    assert count() == before


def test_a_signal_without_a_name_ends_the_worker(model: Model) -> None:
    def end_worker(progress: Progress) -> None:
        os.kill(worker_pid(model), signal.SIGRTMIN + 6)

    with pytest.raises(EngineCrashed) as caught:
        model.generate(PROMPT, **QUICK, on_progress=end_worker)
    assert caught.value.message == f"the engine was ended by signal {signal.SIGRTMIN + 6}"


@pytest.mark.parametrize(("hard", "name"), [(60, "SIGXCPU"), (4, "SIGKILL")])
def test_the_limit_of_cpu_time_is_not_reported_as_out_of_memory(hard: int, name: str) -> None:
    script = f"""
import resource, gpustack_draw
resource.setrlimit(resource.RLIMIT_CPU, (4, {hard}))
try:
    gpustack_draw.generate("demo", "x", size=(512, 512), sample_steps=10000)
except gpustack_draw.EngineCrashed as error:
    print(error.message)
    print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == [
        f"the engine was ended ({name}) at the limit of 4 seconds of CPU time",
        "raise the limit with ulimit -t, or draw with fewer sample_steps",
    ], done.stderr


def test_a_daemon_thread_that_draws_when_python_exits_prints_nothing() -> None:
    script = """
import threading, gpustack_draw
began = threading.Event()
def draw():
    gpustack_draw.generate("demo", "x", size=(128, 128), sample_steps=10000,
        on_progress=lambda progress: progress.phase == "sample" and began.set())
threading.Thread(target=draw, daemon=True).start()
began.wait(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "prompt",
    ["\u732b" * 999 + "\uff0c", "\U0001f408" * 999 + " ", "\u0e01\u0e48"],
    ids=["Chinese", "emoji", "Thai"],
)
def test_the_longest_prompt_in_any_script_is_drawn(model: Model, prompt: str) -> None:
    longest = prompt * (10_000 // len(prompt))
    assert model.generate(longest, size=(16, 16), sample_steps=1).size == (16, 16)


def test_an_unexpected_error_in_the_worker_is_quoted(model: Model) -> None:
    with pytest.raises(EngineCrashed) as caught:
        model._engine._engine._call("nonsense")  # type: ignore[union-attr]
    assert (
        caught.value.message == "the engine ended unexpectedly with status 1: KeyError: 'nonsense'"
    )


def test_a_model_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"m\xff.gguf")
    path.symlink_to(DEMO_FILE)
    with gpustack_draw.load(path) as model:
        assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_the_current_folder_can_change_before_the_first_drawing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").symlink_to(DEMO_FILE)
    monkeypatch.chdir(tmp_path)
    with gpustack_draw.load("model.gguf") as model:
        monkeypatch.chdir("/")
        assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_generate_detects_a_replaced_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.symlink_to(DEMO_FILE)
    gpustack_draw.generate(path, PROMPT, **QUICK)
    path.unlink()
    path.write_text("hello, this is no model")
    with pytest.raises(ModelFileError, match="is text, not a model file"):
        gpustack_draw.generate(path, PROMPT, **QUICK)


def test_prints_of_the_engine_never_reach_stdout() -> None:
    script = """
import gpustack_draw
gpustack_draw.load("demo", on_log=lambda level, text: None).generate(
    "x", size=(128, 128), sample_steps=1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""


def test_the_current_folder_does_not_shadow_modules_in_the_worker(
    tmp_path: os.PathLike[str],
) -> None:
    with open(os.path.join(tmp_path, "json.py"), "w") as file:
        file.write("raise SystemExit('shadowed')")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys; sys.path.pop(0); import gpustack_draw;"
                "gpustack_draw.generate('demo', 'x', size=(128, 128), sample_steps=1)"
            ),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
