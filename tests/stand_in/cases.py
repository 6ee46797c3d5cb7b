"""The compiled engine's contract with Python, tested with the stand-in for the library.

test_engine_core.py runs these tests in a separate Python, with the sanitizers. The table at the top
of library.cpp lists the words in model paths and prompts.
"""

import contextlib
import copy
import ctypes
import gc
import os
import pickle
import re
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from load_core import load_core

core = load_core()

LINE = "library.cpp:1   "  # start of the stand-in's log lines

SETTINGS = {
    "width": 32,
    "height": 16,
    "sampler": "euler",
    "scheduler": "discrete",
    "seed": 7,
}
NUMBERS = {"sample_steps": 4, "cfg_scale": 1.0, "guidance": 3.5}


@pytest.fixture(autouse=True)
def nothing_on_stdout(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == ""


def load(model: Any = "model", **options: Any) -> Any:
    return core.Engine(files={"model": model}, **options)


def draw(engine: Any, prompt: Any = "a cat", **settings: Any) -> Any:
    numbers = {name: settings.pop(name, default) for name, default in NUMBERS.items()}
    return engine.generate(prompt, **{**SETTINGS, "numbers": numbers, **settings})


def ignore(*_arguments: object) -> None:
    pass


class Recorder:
    """Records the calls of the callbacks."""

    def __init__(self) -> None:
        self.progress: list[tuple[str, int, int]] = []
        self.previews: list[tuple[str, int, Any]] = []
        self.log: list[tuple[str, bytes]] = []

    def on_progress(self, phase: Any, step: int, total: int, seconds: float, preview: Any) -> None:
        assert seconds >= 0
        self.progress.append((phase.name, step, total))
        if preview is not None:
            self.previews.append((phase.name, step, preview))

    def on_log(self, level: str, line: bytes) -> None:
        self.log.append((level, line))

    @property
    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {"on_progress": self.on_progress, "on_log": self.on_log}


@contextlib.contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count in another Python thread while it gets the GIL, at most 1000 times per second."""
    count = 0
    stop = threading.Event()

    def run() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: count
    finally:
        stop.set()
        thread.join()


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


# The GIL.


def test_other_threads_run_while_it_loads() -> None:
    with counting() as count:
        before = count()
        load("slow")
        assert count() - before > 50


def test_other_threads_run_while_it_draws() -> None:
    engine = load()
    with counting() as count:
        before = count()
        draw(engine, "slow", sample_steps=15)
        assert count() - before > 50


def test_other_threads_run_while_it_is_freed() -> None:
    engine = load("slow-to-free")
    with counting() as count:
        before = count()
        del engine
        assert count() - before > 50


def test_loader_threads_log_while_python_threads_run() -> None:
    recorder = Recorder()
    with counting():
        load("noisy slow", on_log=recorder.on_log)
    assert sum(line.endswith(b"loading tensor 0") for _level, line in recorder.log) == 1
    assert sum(b"loading tensor" in line for _level, line in recorder.log) == 20


# Progress.


def test_progress_of_loading() -> None:
    recorder = Recorder()
    core.Engine(files={"model": "slow", "vae": "vae"}, on_progress=recorder.on_progress)
    assert {phase for phase, _step, _total in recorder.progress} == {"load"}
    assert recorder.progress[0] == ("load", 0, 1)
    assert recorder.progress[-1] == ("load", 40, 40)
    steps = [step for _phase, step, _total in recorder.progress]
    assert steps == sorted(steps)


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm2", "res_2s"])
def test_progress_of_drawing(sampler: str) -> None:
    recorder = Recorder()
    draw(load(), sampler=sampler, sample_steps=3, on_progress=recorder.on_progress)
    assert recorder.progress == [
        ("encode", 0, 1),
        ("encode", 1, 1),
        ("sample", 0, 3),
        ("sample", 1, 3),
        ("sample", 2, 3),
        ("sample", 3, 3),
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_progress_of_one_step(sampler: str) -> None:
    recorder = Recorder()
    draw(load(), sampler=sampler, sample_steps=1, on_progress=recorder.on_progress)
    assert recorder.progress[2:4] == [("sample", 0, 1), ("sample", 1, 1)]
    assert recorder.progress[4:] == [("decode", 0, 1), ("decode", 1, 1)]


def test_progress_of_decoding_in_tiles() -> None:
    recorder = Recorder()
    draw(load(), "tiles", on_progress=recorder.on_progress)
    decode = [(step, total) for phase, step, total in recorder.progress if phase == "decode"]
    assert decode[0][0] == 0
    assert {total for _step, total in decode[1:]} == {4}
    assert decode[-1] == (4, 4)
    steps = [step for step, _total in decode]
    assert steps == sorted(steps)


def test_files_that_a_drawing_loads_are_no_progress() -> None:
    recorder = Recorder()
    draw(load(), "loads-files", sample_steps=1, on_progress=recorder.on_progress)
    assert [phase for phase, _step, _total in recorder.progress] == [
        *("encode", "encode", "sample", "sample", "decode", "decode")
    ]


def test_cancel_while_a_drawing_loads_files_does_not_end_the_process() -> None:
    engine = load()
    recorder = Recorder()

    def cancel(phase: Any, step: int, *_: object) -> None:
        recorder.on_progress(phase, step, *_)
        threading.Timer(0.1, engine.cancel).start()

    with pytest.raises(core.CancelledError):
        draw(engine, "loads-files slow", on_progress=cancel)
    assert recorder.progress == [("encode", 0, 1)]


def test_progress_is_reported_on_the_calling_thread() -> None:
    threads: set[int] = set()
    engine = load("slow", on_progress=lambda *_: threads.add(threading.get_ident()))
    draw(engine, on_progress=lambda *_: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


# Previews.


@pytest.mark.parametrize("sampler", ["euler", "heun"])
@pytest.mark.parametrize(
    ("previews", "size"), [(core.Previews.projected, (8, 8)), (core.Previews.decoded, (32, 16))]
)
def test_each_step_has_a_preview(sampler: str, previews: Any, size: tuple[int, int]) -> None:
    recorder = Recorder()
    engine = load()
    draw(
        engine, previews=previews, sampler=sampler, sample_steps=3, on_progress=recorder.on_progress
    )
    assert [(phase, step) for phase, step, _preview in recorder.previews] == [
        ("sample", 1),
        ("sample", 2),
        ("sample", 3),
    ]
    del engine  # they are copies
    for _phase, step, preview in recorder.previews:
        assert (preview.width, preview.height) == size
        assert bytes(preview.pixels)[:6] == bytes([step, 1, 2, step, 1, 2])


def test_no_previews_unless_requested() -> None:
    recorder = Recorder()
    engine = load()
    draw(engine, previews=core.Previews.projected)
    draw(engine, on_progress=recorder.on_progress)
    assert recorder.previews == []


def test_overflow_is_found_with_previews() -> None:
    with pytest.raises(core.OverflowError):
        draw(load(), "overflows", previews=core.Previews.projected)


# Errors in callbacks.


class Unusual(BaseException):
    pass


@pytest.mark.parametrize("error_type", [LookupError, KeyboardInterrupt, SystemExit, Unusual])
@pytest.mark.parametrize("phase", ["encode", "sample", "decode"])
def test_error_in_progress_callback_stops_the_drawing(
    error_type: type[BaseException], phase: str
) -> None:
    engine = load()
    error = error_type("from the callback")
    calls: list[str] = []

    def fail(now: Any, *_: object) -> None:
        calls.append(now.name)
        if now.name == phase:
            raise error

    with pytest.raises(error_type) as caught:
        draw(engine, on_progress=fail)
    assert caught.value is error
    assert calls.count(phase) == 1
    assert calls[-1] == phase
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-2:] == ["draw", "fail"]
    assert draw(engine).width == 32


@pytest.mark.parametrize("error_type", [LookupError, KeyboardInterrupt, SystemExit, Unusual])
def test_error_in_progress_callback_while_loading_does_not_end_the_process(
    error_type: type[BaseException],
) -> None:
    error = error_type("from the callback")

    def fail(_phase: Any, step: int, *_: object) -> None:
        if step > 0:
            raise error

    with pytest.raises(error_type) as caught:
        load("slow", on_progress=fail)
    assert caught.value is error


def test_error_in_the_first_progress_prevents_the_loading() -> None:
    recorder = Recorder()

    def fail(*_: object) -> None:
        raise LookupError("from the callback")

    with pytest.raises(LookupError):
        load(on_progress=fail, on_log=recorder.on_log)
    assert recorder.log == []


def test_error_in_log_callback_stops_the_drawing_and_is_raised() -> None:
    engine = load()
    calls: list[bytes] = []
    error = LookupError("from the callback")

    def fail(_level: str, line: bytes) -> None:
        calls.append(line)
        if b"a fact" in line:
            raise error

    with pytest.raises(LookupError) as caught:
        draw(engine, "levels slow", sample_steps=1000, on_log=fail)
    assert caught.value is error
    assert b"a fact" in calls[-1]  # a failed callback is not called again


def test_error_in_log_callback_of_a_loader_thread_is_raised() -> None:
    error = LookupError("from a loader thread")

    def fail(_level: str, line: bytes) -> None:
        if b"tensor 5" in line:
            raise error

    with pytest.raises(LookupError) as caught:
        load("noisy slow", on_log=fail)
    assert caught.value is error


def test_error_in_log_callback_takes_precedence_over_a_failed_load() -> None:
    def fail(level: str, _line: bytes) -> None:
        if level == "error":
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        load("fails", on_log=fail)


@pytest.mark.parametrize("prompt", ["nothing levels", "no-pixels levels", "throws levels"])
def test_error_in_log_callback_takes_precedence_over_a_failed_drawing(prompt: str) -> None:
    def fail(level: str, _line: bytes) -> None:
        if level == "error":
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        draw(load(), prompt, on_log=fail)


def test_error_at_the_last_moment_is_not_lost() -> None:
    def fail(phase: Any, step: int, *_: object) -> None:
        if phase.name == "decode" and step == 1:
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        draw(load(), on_progress=fail)


def test_ctrl_c_stops_at_the_next_step() -> None:
    engine = load()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        draw(engine, "slow", sample_steps=1000)
    assert time.monotonic() - began < 2
    timer.join()


@pytest.mark.parametrize("callback", ["on_progress", "on_log"])
def test_a_callback_that_takes_other_arguments(callback: str) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        draw(load(), **{callback: lambda: None})


def test_a_callback_must_be_callable() -> None:
    with pytest.raises(TypeError, match="incompatible"):
        load(on_progress=3)


# Cancelling.


def test_cancel_from_another_thread_stops_at_the_next_step() -> None:
    engine = load()
    drawing = threading.Event()
    steps: list[int] = []

    def watch(phase: Any, step: int, *_: object) -> None:
        steps.append(step)
        if phase.name == "sample" and step == 2:
            drawing.set()

    def cancel() -> None:
        drawing.wait()
        engine.cancel()

    canceller = in_thread(cancel)
    with pytest.raises(core.CancelledError, match=r"^cancelled$"):
        draw(engine, "slow", sample_steps=1000, on_progress=watch)
    canceller.join()
    assert max(steps) < 10
    assert draw(engine).width == 32


def test_cancel_without_callbacks() -> None:
    engine = load()
    timer = threading.Timer(0.1, engine.cancel)
    timer.start()
    with pytest.raises(core.CancelledError):
        draw(engine, "slow", sample_steps=1000)
    timer.join()


def test_cancel_reaches_a_drawing_that_waits_for_another_engine() -> None:
    first, second = load(), load()
    began = threading.Event()
    results: dict[str, object] = {}

    def draw_first() -> None:
        results["first"] = draw(
            first, "slow", sample_steps=25, on_progress=lambda *_: began.set()
        ).width

    def draw_second() -> None:
        try:
            draw(second)
        except core.CancelledError:
            results["second"] = "cancelled"

    drawing = in_thread(draw_first)
    began.wait()
    waiting = in_thread(draw_second)
    while waiting.is_alive():
        second.cancel()
        time.sleep(0.01)
    drawing.join()
    assert results == {"first": 32, "second": "cancelled"}
    assert second.is_usable  # the library had not started


def test_cancel_without_a_drawing_has_no_effect() -> None:
    engine = load()
    engine.cancel()
    assert draw(engine).width == 32


def test_cancel_in_the_callback() -> None:
    engine = load()
    with pytest.raises(core.CancelledError):
        draw(engine, on_progress=lambda *_: engine.cancel())


@pytest.mark.parametrize("phase", ["encode_pictures", "encode", "sample", "decode"])
@pytest.mark.parametrize("step", [0, 1])
def test_cancel_in_any_phase_keeps_the_model_and_reports_nothing_more(
    phase: str, step: int
) -> None:
    engine = load_encoder()
    recorder = Recorder()

    def cancel(now: Any, now_step: int, *others: Any) -> None:
        recorder.on_progress(now, now_step, *others)
        if (now.name, now_step) == (phase, step):
            engine.cancel()

    with pytest.raises(core.CancelledError):
        draw(engine, "tiles", image=picture(), sample_steps=3, on_progress=cancel)
    assert recorder.progress[-1][:2] == (phase, step)
    assert draw(engine).width == 32


def test_cancel_while_the_prompt_is_encoded_does_not_end_the_process() -> None:
    engine = load()
    recorder = Recorder()
    timer = threading.Timer(0.05, engine.cancel)

    def begin(*values: Any) -> None:
        recorder.on_progress(*values)
        timer.start()

    with pytest.raises(core.CancelledError):
        draw(engine, "encodes-slowly", on_progress=begin)
    timer.join()
    assert recorder.progress == [("encode", 0, 1)]
    assert draw(engine).width == 32


# Failures of the library.


def test_failed_load_quotes_the_log() -> None:
    with pytest.raises(core.EngineError) as caught:
        load("fails")
    assert str(caught.value).splitlines() == [
        "the engine could not load the model",
        f"{LINE} - tensor 'a' has a wrong shape",
        f"{LINE} - load tensors from model loader failed",
    ]


def test_nan_in_a_tensor_is_an_error_that_names_it() -> None:
    with pytest.raises(core.DamagedModelError) as caught:
        load("damaged")
    assert str(caught.value) == "a.weight"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("nothing", f"the engine drew no picture\n{LINE} - diffusion model compute failed"),
        ("no-pixels", "the engine drew a picture without pixels"),
        ("gray", "the engine drew a picture that is not RGB"),
    ],
)
def test_failed_drawing(prompt: str, message: str) -> None:
    engine = load()
    with pytest.raises(core.EngineError) as caught:
        draw(engine, prompt)
    assert str(caught.value) == message
    assert not engine.is_usable
    with pytest.raises(core.EngineError, match="load the model again"):
        draw(engine)


def test_exception_of_the_library_while_loading() -> None:
    with pytest.raises(core.EngineError, match="thrown by the library"):
        load("throws")


def test_exception_of_the_library_while_drawing() -> None:
    engine = load()
    with pytest.raises(core.EngineError, match="thrown by the library"):
        draw(engine, "throws")
    assert not engine.is_usable


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_nan_stops_the_drawing_at_once(sampler: str) -> None:
    engine = load()
    recorder = Recorder()
    with pytest.raises(core.OverflowError, match=r"^its numbers overflowed$"):
        draw(
            engine, "overflows", sampler=sampler, sample_steps=50, on_progress=recorder.on_progress
        )
    assert recorder.progress[-1] == ("sample", 0, 50)
    assert not engine.is_usable


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("prompt", ["ends-in-nan", "decodes-nan"])
def test_nan_that_the_picture_does_not_show_is_found(prompt: str, steps: int) -> None:
    engine = load()
    with pytest.raises(core.OverflowError, match=r"^its numbers overflowed$"):
        draw(engine, prompt, sample_steps=steps)
    assert not engine.is_usable
    assert draw(load()).width == 32


def test_a_picture_of_one_color_without_nan_is_a_picture() -> None:
    assert bytes(draw(load(), "one-color").pixels) == bytes(32 * 16 * 3)


def test_one_engine_fails_and_another_continues() -> None:
    good, bad = load(), load()
    with pytest.raises(core.EngineError):
        draw(bad, "nothing")
    assert good.is_usable
    assert draw(good).width == 32


def test_cancelled_is_an_engine_error() -> None:
    assert issubclass(core.CancelledError, core.EngineError)
    assert issubclass(core.EngineError, RuntimeError)


# Bad values leave the engine unchanged.


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"sampler": "eulr"}, "no sampler named 'eulr'"),
        ({"sampler": ""}, "no sampler named ''"),
        ({"scheduler": "Discrete"}, "no scheduler named 'Discrete'"),
    ],
)
def test_unknown_names(setting: dict[str, str], message: str) -> None:
    engine = load()
    with pytest.raises(ValueError, match=f"^{message}$"):
        draw(engine, **setting)
    assert engine.is_usable


@pytest.mark.parametrize(
    "setting",
    [{"width": "32"}, {"width": 32.0}, {"seed": 2**63}, {"sample_steps": None}, {"cfg_scale": "1"}],
)
def test_values_of_the_wrong_type(setting: dict[str, object]) -> None:
    engine = load()
    with pytest.raises(TypeError):
        draw(engine, **setting)
    assert engine.is_usable


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"steps": 1}, "no number named 'steps'"),
        ({"sample_steps": 2.5}, "sample_steps cannot be 2.500000"),
        ({"sample_steps": 1e10}, "sample_steps cannot be 10000000000.000000"),
        ({"sample_steps": float("nan")}, "sample_steps cannot be nan"),
    ],
)
@pytest.mark.parametrize("model", ["model", "video"])
def test_wrong_numbers(model: str, numbers: dict[str, float], message: str) -> None:
    engine = load(model)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(engine, numbers=numbers)
    assert engine.is_usable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": {"modell": "m"}}, "no file named 'modell'"),
        ({"files": {"model": "m"}, "numbers": {"thread": 1}}, "no number named 'thread'"),
    ],
)
def test_unknown_names_while_loading(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        core.Engine(**options)


@pytest.mark.parametrize("model", ["model", "video"])
def test_the_library_has_defaults_for_missing_numbers(model: str) -> None:
    recorder = Recorder()
    draw(load(model), numbers={}, on_log=recorder.on_log)
    assert any(b"20 steps, cfg 7, guidance 3.5," in line for _level, line in recorder.log)


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_prompts_are_text_not_bytes(name: str) -> None:
    engine = load()
    with pytest.raises(TypeError):
        engine.generate(**{"prompt": "a cat", **SETTINGS, name: b"a cat"})


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_prompts_that_cannot_be_encoded_as_utf_8(name: str) -> None:
    engine = load()
    with pytest.raises(UnicodeEncodeError):
        engine.generate(**{"prompt": "a cat", **SETTINGS, name: "a \ud800"})
    assert engine.is_usable


@pytest.mark.parametrize(
    ("prompt", "encoded"),
    [
        ("a (red:1.3) [cat] BREAK", "a (red:1.3) [cat] BREAK"),  # text without pieces
        ([("a (red:1.3) cat", 1, False)], "a (red:1.3) cat"),
        ([("a ", 1, False), ("red", 1.3, False), (" cat", 1, False)], "a (red:1.3) cat"),
        ([("a", 1, False), ("b", -0.5, True), ("c", 1.0, True)], "aBREAK(b:-0.5)BREAKc"),
        ([("", 1, True), ("", 1.5, False)], "BREAK(:1.5)"),
        ([("été \x01 2 3 x\n", 0.25, False)], "(été \x01 2 3 x\n:0.25)"),
        ([("\x01 1 2 3", 1, False)], "\x01 1 2 3"),
        ([], ""),
    ],
)
def test_the_text_encoders_receive_the_pieces_of_prompts(prompt: Any, encoded: str) -> None:
    recorder = Recorder()
    draw(load(), prompt, negative_prompt=prompt, on_log=recorder.on_log)
    log = b"".join(line for _level, line in recorder.log).decode()
    assert f"prompt '{encoded}', negative '{encoded}', euler" in log


def test_paths_can_be_bytes_that_are_not_utf_8() -> None:
    recorder = Recorder()
    load(b"/models/\xff.gguf", on_log=recorder.on_log)
    assert any(line.endswith(b"loading '/models/\xff.gguf'") for _level, line in recorder.log)


# Values that reach the library.


def test_every_value_reaches_the_library() -> None:
    recorder = Recorder()
    files = {
        "model": "m", "vae": "v", "clip_l": "l", "clip_g": "g", "t5xxl": "t", "llm": "q",
        "llm_vision": "w", "taesd": "s",
    }  # fmt: skip
    numbers = {"threads": 3, "qwen_image_zero_cond_t": True}
    engine = core.Engine(files=files, numbers=numbers, on_log=recorder.on_log)
    draw(
        engine, "été", negative_prompt="rain", sampler="dpm++2m", scheduler="karras",
        sample_steps=5, cfg_scale=2.5, guidance=4.5, seed=999, on_log=recorder.on_log,
    )  # fmt: skip
    assert [line.decode().split(" - ", 1)[1] for _level, line in recorder.log] == [
        "loading on Fake0 with 3 threads",
        *(f"loading '{path}'" for path in "mvlgtqws"),
        "Version: Flux ",
        "zero_cond_t",
        "generate_image 32x16",
        "sampling using dpm++2m method",
        "prompt 'été', negative 'rain', dpm++2m, karras, 5 steps, cfg 2.5, guidance 4.5, seed 999",
        "get_learned_condition completed, taking 0.00s",
        "sum of the weights: 320",
        "sampling completed, taking 0.00s",
    ]


# Input pictures.


def picture(width: int = 32, height: int = 16, channels: int = 3, value: int = 0) -> memoryview:
    pixels = bytearray([value]) * (width * height * channels)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return memoryview(pixels).cast("B", shape)


def mask(width: int = 32, height: int = 16) -> memoryview:
    return picture(width, height, channels=1)


def load_encoder(model: str = "model", **options: Any) -> Any:
    return load(model, encode_pictures=True, **options)


def test_pictures_reach_the_library() -> None:
    recorder = Recorder()
    numbers = {
        "sample_steps": 4, "strength": 0.5, "control_strength": 0.25, "increase_ref_index": 1,
    }  # fmt: skip
    draw(
        load_encoder(on_log=recorder.on_log), numbers=numbers, image=picture(value=1), mask=mask(),
        references=[picture(48, 64, value=2), picture(16, 16, value=3)], control=picture(value=4),
        on_log=recorder.on_log,
    )  # fmt: skip
    lines = [line.decode().split(" - ", 1)[1] for _level, line in recorder.log]
    assert "loading the encoder" in lines
    assert lines[lines.index("IMG2IMG") :] == [
        "IMG2IMG",
        "image 32x16 1",
        "mask 32x16x1 0",
        "control 32x16 4",
        "control strength 0.25",
        "reference 48x64 2",
        "reference 16x16 3",
        "increase_ref_index",
        "encode_first_stage completed, taking 0.00s",
        "get_learned_condition completed, taking 0.00s",
        "sum of the weights: 192",
        "sampling completed, taking 0.00s",
    ]


def test_an_engine_with_the_encoder_draws_without_pictures() -> None:
    recorder = Recorder()
    draw(load_encoder(), sample_steps=1, on_progress=recorder.on_progress)
    assert recorder.progress[0] == ("encode", 0, 1)


@pytest.mark.parametrize("pictures", [{"image": picture()}, {"references": [picture()]}])
def test_progress_of_encoding_pictures(pictures: dict[str, Any]) -> None:
    recorder = Recorder()
    numbers = {"sample_steps": 4, "strength": 0.3}
    draw(load_encoder(), numbers=numbers, on_progress=recorder.on_progress, **pictures)
    steps = 2 if "image" in pictures else 4
    assert recorder.progress == [
        ("encode_pictures", 0, 1),
        ("encode_pictures", 1, 1),
        ("encode", 0, 1),
        ("encode", 1, 1),
        *(("sample", step, steps) for step in range(steps + 1)),
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]


def test_progress_of_encoding_in_tiles() -> None:
    recorder = Recorder()
    draw(load_encoder(), "tiles", image=picture(), on_progress=recorder.on_progress)
    assert recorder.progress[:8] == [
        ("encode_pictures", 0, 1),
        *(("encode_pictures", step, 4) for step in range(5)),
        ("encode_pictures", 4, 4),
        ("encode", 0, 1),
    ]


def test_error_in_progress_callback_while_pictures_are_encoded() -> None:
    engine = load_encoder()
    calls: list[tuple[str, int]] = []

    def fail(phase: Any, step: int, *_: object) -> None:
        calls.append((phase.name, step))
        if step == 2:
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        draw(engine, "tiles", image=picture(), on_progress=fail)
    assert calls == [("encode_pictures", step) for step in (0, 0, 1, 2)]  # before and with tiles
    assert draw(engine).width == 32


@pytest.mark.parametrize("how", ["cancel", "Ctrl-C"])
def test_stop_while_pictures_are_encoded(how: str) -> None:
    engine = load_encoder()
    recorder = Recorder()
    stop = engine.cancel if how == "cancel" else lambda: os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(0.1, stop)

    def watch(phase: Any, step: int, *others: Any) -> None:
        recorder.on_progress(phase, step, *others)
        if len(recorder.progress) == 1:
            timer.start()

    pictures = {"image": picture(), "references": [picture()] * 50}
    with pytest.raises(core.CancelledError if how == "cancel" else KeyboardInterrupt):
        draw(engine, "tiles slow", on_progress=watch, **pictures)
    timer.join()
    assert {phase for phase, _step, _total in recorder.progress} == {"encode_pictures"}
    assert draw(engine).width == 32


def test_nan_while_pictures_are_encoded_is_found() -> None:
    recorder = Recorder()
    with pytest.raises(core.OverflowError):
        draw(load_encoder(), "encodes-nan", image=picture(), on_progress=recorder.on_progress)
    assert recorder.progress == [("encode_pictures", 0, 1)]


def test_pictures_are_copied() -> None:
    pixels = bytearray(32 * 16 * 3)
    recorder = Recorder()

    def overwrite(*_: object) -> None:
        pixels[0] = 9

    image = memoryview(pixels).cast("B", (16, 32, 3))
    draw(load_encoder(), image=image, on_progress=overwrite, on_log=recorder.on_log)
    assert any(line.endswith(b"image 32x16 0") for _level, line in recorder.log)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"image": picture(channels=4)}, "image has shape (16, 32, 4), not (height, width, 3)"),
        ({"image": mask()}, "image has shape (16, 32), not (height, width, 3)"),
        ({"image": b"pixels"}, "image has shape (6,), not (height, width, 3)"),
        (
            {"image": memoryview(bytes(32 * 16 * 3 * 4)).cast("f", (16, 32, 3))},
            "image has items of format 'f', not uint8",
        ),
        (
            {"image": picture(), "mask": memoryview(bytes(64 * 16)).cast("B", (32, 32))[::2]},
            "mask is not C-contiguous",
        ),
        ({"image": picture(16, 32)}, "image is 16x32, but the drawing is 32x16"),
        (
            {"image": picture(), "mask": picture()},
            "mask has shape (16, 32, 3), not (height, width)",
        ),
        (
            {"image": picture(), "mask": mask(32, 32)},
            "mask is 32x32, but the drawing is 32x16",
        ),
        ({"mask": mask()}, "mask needs an image"),
        ({"control": picture(64, 64)}, "control is 64x64, but the drawing is 32x16"),
        (
            {"references": [picture(), picture(100, 90)]},
            "reference 2 is 100x90, but its sides must be multiples of 16",
        ),
        (
            {"references": [picture(), mask()]},
            "reference 2 has shape (16, 32), not (height, width, 3)",
        ),
    ],
)
def test_pictures_that_do_not_fit(pictures: dict[str, Any], message: str) -> None:
    engine = load_encoder()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(engine, **pictures)
    assert draw(engine).width == 32


def load_with_control_net(model: str, **options: Any) -> Any:
    return core.Engine(files={"model": model, "control_net": "net"}, **options)


def test_a_control_net_needs_no_encoder() -> None:
    recorder = Recorder()
    engine = load_with_control_net("sd1", on_log=recorder.on_log)
    draw(engine, control=picture(value=4), numbers={"control_strength": 0.5}, **recorder.callbacks)
    lines = [line.decode().split(" - ", 1)[1] for _level, line in recorder.log]
    assert "loading 'net'" in lines
    assert "loading the encoder" not in lines
    assert "control strength 0.5" in lines
    assert ("encode_pictures", 0, 1) not in recorder.progress
    with pytest.raises(ValueError, match=r"^the model was loaded without encode_pictures$"):
        draw(engine, image=picture(), control=picture())


def test_a_control_net_beside_another_model_is_not_used() -> None:
    engine = load_with_control_net("model", encode_pictures=True)
    with pytest.raises(ValueError, match=r"^a ControlNet does not fit the model$"):
        draw(engine, control=picture())
    assert draw(engine).width == 32


@pytest.mark.parametrize("strength", [-0.01, 2.01, float("nan"), float("inf")])
def test_a_control_strength_outside_its_range(strength: float) -> None:
    engine = load_with_control_net("sd1")
    numbers = {"control_strength": strength}
    with pytest.raises(ValueError, match=r"^control_strength is .*, not a number from 0 to 2$"):
        draw(engine, control=picture(), numbers=numbers)
    assert draw(engine).width == 32


def test_edges_of_a_picture() -> None:
    source = bytearray(range(48))
    edges = core.find_edges(memoryview(source).cast("B", (2, 8, 3)))
    assert (edges.width, edges.height) == (8, 2)
    assert bytes(edges.pixels) == bytes(255 - value for value in source)
    assert bytes(source) == bytes(range(48))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_level_has_no_edges(value: int) -> None:
    assert bytes(core.find_edges(picture(value=value)).pixels) == bytes(32 * 16 * 3)


def test_edges_of_a_gray_picture() -> None:
    message = "picture has shape (16, 32), not (height, width, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        core.find_edges(mask())


def test_pictures_must_be_buffers() -> None:
    with pytest.raises(TypeError):
        draw(load_encoder(), image="picture.png")


@pytest.mark.parametrize(
    "pictures", [{"image": picture()}, {"references": [picture()]}, {"control": picture()}]
)
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("model", "the model was loaded without encode_pictures"),
        ("video", "a video model takes no pictures"),
    ],
)
def test_models_that_cannot_encode_pictures(
    model: str, message: str, pictures: dict[str, Any]
) -> None:
    engine = load(model)
    with pytest.raises(ValueError, match=f"^{message}$"):
        draw(engine, **pictures)
    assert draw(engine).width == 32


def test_z_image_takes_no_references() -> None:
    engine = load_encoder("z-image")
    with pytest.raises(ValueError, match=r"^a Z-Image model takes no references$"):
        draw(engine, references=[picture()])
    assert draw(engine, image=picture()).width == 32


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"strength": -0.1}, "strength is -0.100000, not a number from 0 to 1"),
        ({"strength": 1.5}, "strength is 1.500000, not a number from 0 to 1"),
        ({"strength": float("nan")}, "strength is nan, not a number from 0 to 1"),
        ({"sample_steps": 0}, "sample_steps is 0, not 1 or more"),
        ({"sample_steps": -1}, "sample_steps is -1, not 1 or more"),
    ],
)
@pytest.mark.parametrize("model", ["model", "video"])
def test_numbers_out_of_range(model: str, numbers: dict[str, float], message: str) -> None:
    engine = load(model)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(engine, numbers=numbers)
    assert engine.is_usable


@pytest.mark.parametrize(("width", "height"), [(0, 16), (32, 0), (-32, 16)])
def test_a_drawing_without_pixels(width: int, height: int) -> None:
    with pytest.raises(
        ValueError, match=f"^the drawing has no pixels: its size is {width}x{height}$"
    ):
        draw(load(), width=width, height=height)


# LoRAs.

LORAS = [("a", 0.5, False), ("b", 1, True), ("a", 0.25, False), ("c", 2, False), ("c", -2, False)]


def test_weights_for_the_same_lora_are_summed_and_weight_0_is_left_out() -> None:
    recorder = Recorder()
    draw(load(), loras=LORAS, on_log=recorder.on_log)
    lines = [line.removeprefix(LINE.encode() + b" - ") for _level, line in recorder.log]
    assert [line for line in lines if line.startswith(b"lora ")] == [
        *(b"lora a:0.75", b"lora b:1.00 high noise")
    ]


@pytest.mark.parametrize(
    ("model", "loras", "counts"),
    [
        ("model", [], None),
        ("model", [("a", 0, False)], None),
        ("model", [("a", 1, False)], (20, 20)),
        ("model", [("a", 1, False), ("foreign", 1, False)], (25, 40)),
        ("video", [("foreign", 1, False)], (5, 20)),
    ],
)
def test_the_tensors_of_loras_are_counted(model: str, loras: Any, counts: Any) -> None:
    assert draw(load(model), loras=loras).lora_tensors == counts


# Step caches: numbers of sd_cache_mode_t.
EASYCACHE, DBCACHE, SPECTRUM = 1, 3, 6


@pytest.mark.parametrize("model", ["model", "video"])
@pytest.mark.parametrize(
    ("mode", "steps", "counts"),
    [
        *((0, 4, None), (SPECTRUM, 4, (2, 4)), (SPECTRUM, 1, (0, 1)), (DBCACHE, 4, (0, 4))),
        (EASYCACHE, 4, None),  # the library warns that it is off
    ],
)
def test_skipped_evaluations_are_counted(model: str, mode: int, steps: int, counts: Any) -> None:
    numbers = {"cache_mode": mode, "sample_steps": steps}
    assert draw(load(model), numbers=numbers).step_cache == counts


@pytest.mark.parametrize("mode", [-1, 7, 1.5, float("nan")])
def test_a_step_cache_that_there_is_not(mode: float) -> None:
    with pytest.raises(ValueError, match=r"^cache_mode cannot be "):
        draw(load(), numbers={"cache_mode": mode})


def test_loading_loras_is_a_phase() -> None:
    recorder = Recorder()
    draw(load(), loras=LORAS, sample_steps=1, on_progress=recorder.on_progress)
    assert recorder.progress[:8] == [
        *(("load_loras", step, 6) for step in range(7)),
        ("encode", 0, 1),
    ]


def test_a_lora_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(core.EngineError) as caught:
        draw(load(), loras=[("a", 1, False), ("missing", 1, False)])
    assert str(caught.value).splitlines() == [
        "the engine could not load a LoRA",
        LINE + " - init lora model loader from file failed: 'missing'",
        LINE + " - load lora tensors from missing failed",
    ]


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"^the weight of a LoRA is not finite$"):
        draw(load(), loras=[("a", weight, False)])


def test_cancel_while_a_lora_loads_takes_effect_after_the_file() -> None:
    engine = load()
    recorder = Recorder()

    def cancel(phase: Any, step: int, *_: object) -> None:
        recorder.on_progress(phase, step, *_)
        threading.Timer(0.1, engine.cancel).start()

    with pytest.raises(core.CancelledError):
        draw(engine, loras=[("slow a", 1, False), ("slow b", 1, False)], on_progress=cancel)
    # A busy machine starts the timer late, after more files.
    reads = len(recorder.progress)
    assert recorder.progress == [("load_loras", step, 6) for step in range(reads)]
    assert reads < 7
    assert draw(engine, loras=[("a", 1, False)]).width == 32


def test_an_error_of_a_callback_while_a_lora_loads() -> None:
    def fail(phase: Any, step: int, *_: object) -> None:
        if (phase.name, step) == ("load_loras", 2):
            raise KeyError(step)

    with pytest.raises(KeyError, match=r"^2$"):
        draw(load(), loras=[("a", 1, False)], on_progress=fail)


# The second pass.

SECOND_PASS = {
    "sample_steps": 2, "hires_width": 64, "hires_height": 32,
    "hires_steps": 3, "hires_strength": 3 / 7.5,
}  # fmt: skip


def test_a_second_pass_draws_the_larger_size() -> None:
    recorder = Recorder()
    drawn = draw(
        load(), numbers=SECOND_PASS, hires_upscaler="Latent (nearest-exact)",
        previews=core.Previews.decoded, **recorder.callbacks,
    )  # fmt: skip
    assert (drawn.width, drawn.height) == (64, 32)
    assert recorder.progress == [
        ("encode", 0, 1),
        ("encode", 1, 1),
        *(("sample", step, 2) for step in range(3)),
        *(("sample", step, 3) for step in range(4)),
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]
    sizes = [(preview.width, preview.height) for _phase, _step, preview in recorder.previews]
    assert sizes == [(32, 16)] * 2 + [(64, 32)] * 3
    lines = [line.decode().split(" - ", 1)[1] for _level, line in recorder.log]
    assert "Latent (nearest-exact), 3 of 7 steps" in lines


def test_cancel_in_the_second_pass() -> None:
    engine = load()
    phases: list[str] = []

    def cancel(phase: Any, step: int, *_: object) -> None:
        phases.append(phase.name)
        if phase == core.Phase.sample and step == 0 and phases.count("sample") > 1:
            engine.cancel()

    with pytest.raises(core.CancelledError):
        draw(engine, numbers=SECOND_PASS, hires_upscaler="Latent", on_progress=cancel)
    assert phases == ["encode", "encode", *["sample"] * 4]
    assert draw(engine).width == 32


def test_skipped_evaluations_of_both_passes_are_counted() -> None:
    numbers = {**SECOND_PASS, "cache_mode": SPECTRUM}
    assert draw(load(), numbers=numbers, hires_upscaler="Latent").step_cache == (2, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hires_upscaler": "Lanczos"}, "no latent upscaler named 'Lanczos'"),
        ({"hires_upscaler": "None"}, "no latent upscaler named 'None'"),
        ({"hires_upscaler": "latent"}, "no latent upscaler named 'latent'"),
        ({"hires_width": 0}, "the second pass has no size or no steps"),
        ({"hires_height": -1}, "the second pass has no size or no steps"),
        ({"hires_steps": 0}, "the second pass has no size or no steps"),
        ({"hires_strength": 0}, "hires_strength is 0.000000, not a number above 0 and up to 1"),
        ({"hires_strength": 2}, "hires_strength is 2.000000, not a number above 0 and up to 1"),
        (
            {"hires_strength": float("nan")},
            "hires_strength is nan, not a number above 0 and up to 1",
        ),
        ({"control": picture()}, "a control picture does not fit the second pass"),
    ],
)
def test_a_second_pass_that_cannot_be_drawn(options: dict[str, Any], message: str) -> None:
    engine = load_encoder()
    numbers = {name: options.pop(name, value) for name, value in SECOND_PASS.items()}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(engine, numbers=numbers, **{"hires_upscaler": "Latent", **options})
    assert draw(engine).width == 32


def test_a_video_model_draws_no_second_pass() -> None:
    with pytest.raises(ValueError, match=r"^a video model draws no second pass$"):
        draw(load("video"), hires_upscaler="Latent")


# Video models.


def test_one_frame_of_a_video_is_the_picture() -> None:
    recorder = Recorder()
    picture = draw(load("video"), seed=9, **recorder.callbacks)
    assert (picture.width, picture.height) == (32, 16)
    assert bytes(picture.pixels)[(3 * 32 + 5) * 3 :][:3] == bytes([5, 3, 9])
    assert recorder.progress == [
        ("encode", 0, 1),
        ("encode", 1, 1),
        *(("sample", step, 4) for step in range(5)),
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]
    assert any(line.endswith(b"generate_video 32x16x1") for _level, line in recorder.log)


def test_every_value_reaches_a_video_model() -> None:
    recorder = Recorder()
    draw(
        load("video"), "été", negative_prompt="rain", sampler="dpm++2m", scheduler="karras",
        sample_steps=5, cfg_scale=2.5, guidance=4.5, seed=999, on_log=recorder.on_log,
    )  # fmt: skip
    assert [line.decode().split(" - ", 1)[1] for _level, line in recorder.log] == [
        "generate_video 32x16x1",
        "sampling using dpm++2m method",
        "prompt 'été', negative 'rain', dpm++2m, karras, 5 steps, cfg 2.5, guidance 4.5, seed 999",
        "get_learned_condition completed, taking 0.00s",
        "sum of the weights: 320",
        "sampling completed, taking 0.00s",
    ]


def test_additional_frames_are_freed() -> None:
    engine = load("video")  # the leak check of the sanitizers fails otherwise
    for seed in range(3):
        assert draw(engine, "frames", seed=seed).pixels[0, 0, 2] == seed


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("nothing", f"the engine drew no picture\n{LINE} - diffusion model compute failed"),
        ("frames no-pixels", "the engine drew a picture without pixels"),
        ("frames gray", "the engine drew a picture that is not RGB"),
        ("throws", "the engine drew no picture: thrown by the library"),
    ],
)
def test_failed_drawing_of_a_video_model(prompt: str, message: str) -> None:
    engine = load("video")
    with pytest.raises(core.EngineError) as caught:
        draw(engine, prompt)
    assert str(caught.value) == message
    assert not engine.is_usable


def test_cancel_of_a_video_model() -> None:
    engine = load("video")
    timer = threading.Timer(0.1, engine.cancel)
    timer.start()
    with pytest.raises(core.CancelledError):
        draw(engine, "slow", sample_steps=1000)
    timer.join()


def test_wrong_name_leaves_a_video_model_usable() -> None:
    engine = load("video")
    with pytest.raises(ValueError, match="no sampler named 'eulr'"):
        draw(engine, sampler="eulr")
    assert draw(engine).width == 32


def test_diffusion_model_instead_of_model() -> None:
    recorder = Recorder()
    core.Engine(files={"diffusion_model": "d"}, on_log=recorder.on_log)
    assert recorder.log[1][1].endswith(b"loading 'd'")


def test_largest_seed() -> None:
    recorder = Recorder()
    draw(load(), seed=2**63 - 1, on_log=recorder.on_log)
    assert any(line.endswith(b"seed 9223372036854775807") for _level, line in recorder.log)


def test_weights_stay_for_the_next_drawing() -> None:
    engine = load()
    for seed in range(3):
        assert draw(engine, seed=seed).pixels[0, 0, 2] == seed


def test_names() -> None:
    assert core.samplers()[:2] == ["euler", "euler_a"]
    assert core.schedulers()[-1] == "bong_tangent"


def test_build_info() -> None:
    info = core.build_info()
    assert info["ggml"] == "0.0.0-stand-in"
    assert info["instructions"] == "SSE3 AVX2"


# The log.


def test_levels_of_the_log() -> None:
    recorder = Recorder()
    draw(load(), "levels", on_log=recorder.on_log)
    levels = {line.split(b" - ", 1)[1]: level for level, line in recorder.log}
    assert levels[b"a detail"] == "debug"
    assert levels[b"a fact"] == "info"
    assert levels[b"a warning"] == "warning"
    assert levels[b"an error"] == "error"


def test_a_line_cut_inside_a_character() -> None:
    recorder = Recorder()
    draw(load(), "long-line", on_log=recorder.on_log)
    line = max((line for _level, line in recorder.log), key=len)
    assert len(line) == 4095
    with pytest.raises(UnicodeDecodeError):
        line.decode()


def test_an_error_that_quotes_a_cut_line_can_be_read() -> None:
    with pytest.raises(core.EngineError) as caught:
        draw(load(), "long-line nothing")
    assert "\N{ARTIST PALETTE}" in str(caught.value)


def test_engines_in_two_threads_receive_only_their_own_callbacks() -> None:
    recorders = [Recorder(), Recorder()]
    engines = [load(), load()]

    def work(number: int) -> None:
        for seed in range(20):
            prompt = f"picture-of-{number}"
            callbacks = recorders[number].callbacks
            draw(engines[number], prompt, seed=seed, **callbacks)
            if seed % 5 == 0:
                load(f"noisy model-of-{number}", **callbacks)

    threads = [in_thread(lambda number=number: work(number)) for number in (0, 1)]
    for thread in threads:
        thread.join()
    for number, recorder in enumerate(recorders):
        lines = b"\n".join(line for _level, line in recorder.log)
        assert lines.count(b"prompt 'picture-of-%d'" % number) == 20
        assert lines.count(b"loading 'noisy model-of-%d'" % number) == 4
        assert lines.count(b"loading tensor") == 4 * 20
        assert b"of-%d'" % (1 - number) not in lines
        sampled = [step for step in recorder.progress if step[0] == "sample"]
        assert sampled == [("sample", step, 4) for step in range(5)] * 20


def test_two_threads_draw_with_one_engine() -> None:
    engine = load()
    pictures: dict[int, Any] = {}
    threads = [
        in_thread(lambda seed=seed: pictures.__setitem__(seed, draw(engine, seed=seed)))
        for seed in range(8)
    ]
    for thread in threads:
        thread.join()
    assert {seed: picture.pixels[0, 0, 2] for seed, picture in pictures.items()} == {
        seed: seed for seed in range(8)
    }


def test_callbacks_are_released() -> None:
    recorder = Recorder()
    engine = load(**recorder.callbacks)
    draw(engine, **recorder.callbacks)
    reference = weakref.ref(recorder)
    del recorder
    gc.collect()
    assert reference() is None


# An engine inside another engine's callback.


@pytest.mark.parametrize("callback", ["on_progress", "on_log"])
def test_an_engine_freed_in_a_callback(callback: str) -> None:
    # The garbage collector does this on any thread that runs Python, even on loader threads.
    others = [load("slow-to-free")]
    load("noisy", **{callback: lambda *_: others.clear()})
    others.append(load("slow-to-free"))
    draw(load(), **{callback: lambda *_: others.clear()})
    assert not others


@pytest.mark.parametrize("callback", ["on_progress", "on_log"])
def test_an_engine_cannot_be_used_in_a_callback(callback: str) -> None:
    engine, other = load(), load()
    measure = partial(core.measure_speed, "CPU", threads=1)
    for use in (lambda: draw(engine), lambda: draw(other), load, measure):
        with pytest.raises(core.EngineError, match="inside one of its callbacks"):
            draw(load(), **{callback: lambda *_, use=use: use()})


def test_devices_can_be_listed_in_a_callback() -> None:
    names: list[str] = []
    load(on_progress=lambda *_: names.extend(device.name for device in core.list_devices()))
    assert names[:4] == ["Software0", "Fake0", "Fake1", "CPU"]


# Pictures.


def test_pixels_are_rows_of_red_green_blue() -> None:
    picture = draw(load(), width=32, height=16, seed=200)
    assert (picture.width, picture.height) == (32, 16)
    pixels = memoryview(picture)
    assert pixels.shape == (16, 32, 3)
    assert pixels.strides == (96, 3, 1)
    assert pixels.format == "B"
    assert pixels.c_contiguous
    assert [pixels[3, 5, channel] for channel in range(3)] == [5, 3, 200]


def test_size_is_rounded_up_by_the_library() -> None:
    picture = draw(load(), width=33, height=1)
    assert picture.pixels.shape == (16, 48, 3)


def test_pixels_are_not_copied() -> None:
    picture = draw(load())
    picture.pixels[0, 0, 0] = 99
    assert memoryview(picture)[0, 0, 0] == 99


def test_pixels_outlive_picture_and_engine() -> None:
    engine = load()
    picture = draw(engine, width=64, height=64)
    pixels = picture.pixels
    reference = weakref.ref(engine)
    del engine, picture
    gc.collect()
    assert reference() is None
    assert bytes(pixels[63, 63, channel] for channel in range(3)) == bytes([63, 63, 7])


def test_pictures_outlive_a_failure() -> None:
    engine = load()
    picture = draw(engine)
    with pytest.raises(core.EngineError):
        draw(engine, "nothing")
    assert picture.pixels[1, 1, 1] == 1


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
def test_pictures_and_engines_cannot_be_copied(make: Callable[[object], object]) -> None:
    engine = load()
    for thing in (engine, draw(engine)):
        with pytest.raises(TypeError):
            make(thing)


def test_pictures_are_only_created_by_engines() -> None:
    with pytest.raises(TypeError, match="No constructor defined"):
        core.Picture()


def test_an_engine_without_init_is_rejected() -> None:
    class Broken(core.Engine):
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match="__init__"):
        Broken()


# Devices.


@pytest.fixture
def restore_automatic_device() -> Iterator[None]:
    yield
    load()


@pytest.mark.usefixtures("restore_automatic_device")
@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("auto", "Fake0"),
        ("AUTO", "Fake0"),
        ("Fake0", "Fake0"),
        ("fake1", "Fake1"),
        ("CPU", "CPU"),
        ("cpu", "CPU"),
        ("software0", "Software0"),
    ],
)
def test_choice_of_the_device(name: str, used: str) -> None:
    recorder = Recorder()
    engine = load(device=name, on_log=recorder.on_log)
    assert engine.device == used
    assert b"loading on %s " % used.encode() in recorder.log[0][1]
    assert [device.name for device in core.list_devices() if device.used] == ["Fake0"]


@pytest.mark.usefixtures("restore_automatic_device")
@pytest.mark.parametrize("first", ["auto", "Fake0", "Fake1", "CPU"])
@pytest.mark.parametrize(
    ("then", "used"), [("auto", "Fake0"), ("Fake0", "Fake0"), ("Fake1", "Fake1"), ("CPU", "CPU")]
)
def test_each_choice_replaces_the_previous_one(first: str, then: str, used: str) -> None:
    load(device=first)
    assert load(device=then).device == used


@pytest.mark.parametrize("name", ["cuda9", "", "Fake", "Fake00"])
def test_unknown_device(name: str) -> None:
    with pytest.raises(ValueError, match=f"^no device named '{name}'$"):
        load(device=name)
    assert load().device == "Fake0"


def test_properties_of_devices() -> None:
    software, fake, *_ = core.list_devices()
    assert (software.name, software.type) == ("Software0", "software")
    assert (fake.name, fake.description, fake.type) == ("Fake0", "A fake GPU", "gpu")
    assert (fake.memory_free, fake.memory_total) == (4 << 20, 8 << 20)
    assert [device.type for device in core.list_devices()] == ["software", "gpu", "gpu", "cpu"]


def test_speed_of_a_device() -> None:
    assert core.measure_speed("CPU", threads=2) == 2e9
    with pytest.raises(ValueError, match=r"^no device named 'cuda9'$"):
        core.measure_speed("cuda9", threads=1)


def test_devices_can_be_listed_while_an_engine_loads() -> None:
    loading = in_thread(lambda: [load(device=name) for name in ("cpu", "fake1", "auto") * 20])
    while loading.is_alive():
        assert len(core.list_devices()) == 4
    loading.join()


# Upscaling.


def load_upscaler(model: str = "model", **options: Any) -> Any:
    return core.Upscaler(model=model, **options)


def gray(width: int, height: int, level: int = 100) -> memoryview:
    return memoryview(bytes([level]) * (width * height * 3)).cast("B", (height, width, 3))


@pytest.mark.parametrize(("model", "scale"), [("x1", 1), ("x2", 2), ("x4", 4)])
def test_a_picture_is_upscaled_by_the_factor_of_the_model(model: str, scale: int) -> None:
    recorder = Recorder()
    upscaler = load_upscaler(model, threads=3, **recorder.callbacks)
    assert upscaler.scale == scale
    assert upscaler.is_usable
    start = f"{LINE} - loading esrgan from '{model}' with 3 threads, tile size 0"
    assert recorder.log[0] == ("info", start.encode())
    picture = memoryview(bytes(range(5 * 3 * 3))).cast("B", (3, 5, 3))
    result = upscaler.upscale(picture)
    assert (result.width, result.height) == (5 * scale, 3 * scale)
    for y in range(3 * scale):
        for x in range(5 * scale):
            at = (x // scale, y // scale)
            border = at[0] in (0, 4) or at[1] in (0, 2)
            for channel in range(3):
                expected = picture[at[1], at[0], channel] + border
                assert result.pixels[y, x, channel] == expected


def test_tiles_read_their_neighbors_and_leave_no_seams() -> None:
    """The stand-in adds 1 at the borders of a tile: visible at those of the picture only."""
    upscaler = load_upscaler("x2", tile_size=40)
    recorder = Recorder()
    result = upscaler.upscale(gray(100, 90), **recorder.callbacks)
    for y in range(180):
        for x in range(200):
            border = x < 2 or y < 2 or x >= 198 or y >= 178
            assert result.pixels[y, x, 1] == 100 + border
    sizes = [line.rpartition(b" ")[2].strip() for _, line in recorder.log if b"upscaling" in line]
    # Three parts of 33 or 34 pixels and three of 30, each with up to 32 pixels on either side.
    edge_row = [b"65x62", b"97x62", b"66x62"]
    assert sizes == [*edge_row, b"65x90", b"97x90", b"66x90", *edge_row]
    assert recorder.progress == [("upscale", step, 9) for step in range(10)]


def test_other_shapes_are_not_upscaled() -> None:
    upscaler = load_upscaler()
    with pytest.raises(
        ValueError, match=r"^the picture has shape \(2, 2\), not \(height, width, 3\)$"
    ):
        upscaler.upscale(memoryview(bytes(4)).cast("B", (2, 2)))


def test_a_tile_has_pixels() -> None:
    with pytest.raises(ValueError, match=r"^the tile size is 0$"):
        load_upscaler(tile_size=0)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("damaged", "DamagedModelError", "^conv_first.weight$"),
        ("fails", "EngineError", "^the engine could not load the model\n.* - load esrgan tensors"),
        ("throws", "EngineError", "^the engine could not load the model: thrown by the library$"),
    ],
)
def test_an_upscaler_that_does_not_load(model: str, error: str, message: str) -> None:
    with pytest.raises(getattr(core, error), match=message):
        load_upscaler(model)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("overflows", "OverflowError", "^its numbers overflowed$"),
        ("nothing", "EngineError", "^the engine did not upscale the picture\n.* - esrgan compute"),
        (
            "throws-later",
            "EngineError",
            "^the engine did not upscale the picture: thrown by the library$",
        ),
    ],
)
def test_a_failed_upscaler_is_not_used_again(model: str, error: str, message: str) -> None:
    upscaler = load_upscaler(model)
    with pytest.raises(getattr(core, error), match=message):
        upscaler.upscale(gray(4, 4))
    assert not upscaler.is_usable
    with pytest.raises(core.EngineError, match=r"^an earlier call failed; load the model again$"):
        upscaler.upscale(gray(4, 4))


def fail_after_a_step(_phase: Any, step: int, *_others: object) -> None:
    if step > 0:
        raise LookupError("from the callback")


def test_an_error_of_a_callback_stops_the_loading_of_an_upscaler() -> None:
    with pytest.raises(LookupError, match=r"^from the callback$"):
        load_upscaler(on_progress=fail_after_a_step)


def test_an_error_of_a_callback_stops_an_upscaler() -> None:
    upscaler = load_upscaler("slow-tiles", tile_size=8)
    with pytest.raises(LookupError, match=r"^from the callback$"):
        upscaler.upscale(gray(80, 80), on_progress=fail_after_a_step)
    assert upscaler.upscale(gray(4, 4)).width == 8


def test_ctrl_c_stops_an_upscaler() -> None:
    upscaler = load_upscaler("slow-tiles", tile_size=8)
    timer = threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        upscaler.upscale(gray(160, 160))  # 400 tiles: 8 s
    timer.join()
    assert time.monotonic() - began < 4
    assert upscaler.is_usable


def test_upscalers_and_engines_take_turns() -> None:
    engine, upscaler = load(), load_upscaler("slow-tiles", tile_size=16)
    thread = in_thread(lambda: [draw(engine, "slow") for _ in range(3)])
    for _ in range(3):
        assert upscaler.upscale(gray(64, 64)).width == 128
    thread.join()


@pytest.mark.usefixtures("restore_automatic_device")
def test_choice_of_the_upscalers_device() -> None:
    assert load_upscaler(device="fake1").device == "Fake1"
    with pytest.raises(ValueError, match=r"^no device named 'cuda9'$"):
        load_upscaler(device="cuda9")


# Memory leaks; must run last.


def test_nothing_leaks(tmp_path: Path) -> None:
    gc.collect()
    sanitizer = ctypes.CDLL(None)
    sanitizer.__sanitizer_set_report_path(os.fsencode(tmp_path / "report"))
    sanitizer.__lsan_do_recoverable_leak_check()
    sanitizer.__sanitizer_set_report_path(b"stderr")
    report = "".join(path.read_text() for path in tmp_path.glob("report.*"))
    # The interpreter tags some pointers, which hides its objects from the sanitizer.
    own_frames = [text for text in ("_core", "/cpp/", "stand_in") if text in report]
    assert not own_frames, report
