"""Tests of the library, generate() and load(), with the real engine and the demo model."""

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy
import pytest

import gpustack_draw
from gpustack_draw import Progress
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.errors import (
    BlankPictureError,
    ModelFileError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    UsageError,
)
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request import name_types

PROMPT = "a red circle on a blue background"
QUICK = {"size": (128, 128), "sample_steps": 2, "seed": 7}


@pytest.mark.engine
def test_generate_returns_a_picture_with_its_parameters() -> None:
    image = gpustack_draw.generate("demo", PROMPT, **QUICK)
    assert image.mode == "RGB"
    assert image.size == (128, 128)
    assert image.info["parameters"].startswith(f"{PROMPT}\nSteps: 2, Sampler: Euler, ")
    assert "Seed: 7" in image.info["parameters"]


@pytest.mark.engine
def test_generate_keeps_the_model_for_the_next_call() -> None:
    phases: list[str] = []
    gpustack_draw.generate("demo", PROMPT, **QUICK)
    gpustack_draw.generate(
        "demo", PROMPT, **QUICK, on_progress=lambda progress: phases.append(progress.phase)
    )
    assert "load" not in phases


@pytest.mark.engine
def test_progress_reports_every_phase_to_its_end() -> None:
    reports: list[Progress] = []
    with gpustack_draw.load("demo") as model:
        list(model.generate_many(PROMPT, count=2, **QUICK, on_progress=reports.append))
    phases = [progress.phase for progress in reports]
    assert list(dict.fromkeys(phases)) == ["load", "encode", "sample", "decode"]
    last = {(progress.picture, progress.phase): progress for progress in reports}
    assert all(progress.step == progress.total for progress in last.values())
    assert all(progress.pictures == 2 for progress in reports)
    sampled = [progress.step for progress in reports if progress.phase == "sample"]
    assert sampled == [0, 1, 2, 0, 1, 2]
    # The time before the first tensor is excluded from estimates of the rest.
    loaded = [progress for progress in reports if progress.phase == "load" and progress.step]
    assert {(each.resumed, each.started) for each in loaded} == {
        (loaded[0].step, loaded[0].seconds)
    }


@pytest.mark.engine
def test_pictures_are_arrays_without_a_copy() -> None:
    with gpustack_draw.load("demo") as model:
        (picture,) = model.draw(gpustack_draw.DrawRequest(prompt=PROMPT, **QUICK))
    pixels = numpy.asarray(picture)
    assert pixels.shape == (128, 128, 3)
    assert pixels.dtype == numpy.uint8
    assert numpy.shares_memory(pixels, numpy.asarray(picture))
    assert (pixels == numpy.asarray(picture.to_image())).all()


@pytest.mark.engine
def test_a_local_file_draws_what_demo_draws() -> None:
    with gpustack_draw.load(DEMO_FILE) as local, gpustack_draw.load("demo") as demo:
        assert local.generate(PROMPT, **QUICK).tobytes() == demo.generate(PROMPT, **QUICK).tobytes()


def test_a_file_that_vanishes_before_the_first_drawing(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.symlink_to(DEMO_FILE)
    model = gpustack_draw.load(path)
    path.unlink()
    with pytest.raises(ModelNotFoundError) as caught:
        model.generate(PROMPT, **QUICK)
    assert caught.value.message == f"'{path}' no longer exists"
    assert caught.value.hint == "put the file back, or load the model again"


@pytest.mark.engine
def test_seeds_count_up() -> None:
    with gpustack_draw.load("demo") as model:
        first, second = model.generate_many(PROMPT, count=2, **QUICK)
        again = model.generate(PROMPT, **{**QUICK, "seed": 8})
    assert second.tobytes() == again.tobytes()
    assert first.tobytes() != second.tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gpustack_draw.load("demo", on_log=5), "on_log is int, not a function: 5"),
        (lambda: gpustack_draw.load("demo", vae=5), "vae is int, not text or a path: 5"),
        (
            lambda: gpustack_draw.load("demo", threads=0),
            "0 is not a number of threads from 1 to 512",
        ),
        (lambda: gpustack_draw.load("demo", llm=b"a"), "llm is bytes, not text or a path: b'a'"),
        (lambda: gpustack_draw.resolve("demo", t5xxl=[]), "t5xxl is list, not text or a path: []"),
        (
            lambda: gpustack_draw.generate("demo", PROMPT, on_progress="yes"),
            "on_progress is str, not a function: 'yes'",
        ),
        (
            lambda: gpustack_draw.load("demo").fetch(on_progress=5),
            "on_progress is int, not a function: 5",
        ),
        (
            lambda: gpustack_draw.generate("demo", PROMPT, negative_prompt=0),
            "the negative prompt is int, not text: 0",
        ),
    ],
)
def test_arguments_of_another_type_are_usage_errors(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.message == message


@pytest.mark.engine
def test_no_negative_prompt_can_be_written_as_none() -> None:
    options = {**QUICK, "cfg_scale": 2.0}
    drawn = [
        gpustack_draw.generate("demo", PROMPT, negative_prompt=text, **options).tobytes()
        for text in (None, "")
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.engine
@pytest.mark.parametrize("phase", ["load", "sample", "decode"])
@pytest.mark.parametrize("in_process", [False, True])
def test_stop_iteration_of_a_callback_does_not_end_the_pictures_silently(
    phase: str, in_process: bool
) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == phase:
            raise StopIteration

    with gpustack_draw.load("demo", in_process=in_process) as model:
        with pytest.raises(UsageError) as caught:
            list(model.generate_many(PROMPT, count=2, **QUICK, on_progress=stop))
        assert caught.value.message == "on_progress raised StopIteration"
        assert caught.value.hint == "raise another error to end the drawing"
        assert model.generate(PROMPT, **QUICK).size == (128, 128)


def test_literal_types_contain_the_names_of_the_engine() -> None:
    assert get_args(name_types.Sampler) == gpustack_draw.SAMPLERS
    assert get_args(name_types.Scheduler) == gpustack_draw.SCHEDULERS


def test_arguments_are_checked_before_anything_starts() -> None:
    with gpustack_draw.load("demo") as model:
        with pytest.raises(UsageError, match="'512x' is not WIDTHxHEIGHT"):
            model.generate(PROMPT, size="512x")
        with pytest.raises(UsageError):
            model.generate_many(PROMPT, count=0)
        assert not model._engine.is_loaded


def test_a_picture_too_large_for_memory_is_refused_before_loading() -> None:
    with gpustack_draw.load("demo", vae_tiling="off") as model:
        with pytest.raises(NotEnoughMemoryError, match=r"to draw 8192x8192, and .* are free"):
            model.generate(PROMPT, size=(8192, 8192))
        assert not model._engine.is_loaded


@pytest.mark.engine
def test_an_unknown_device_is_an_error_that_lists_the_devices() -> None:
    with gpustack_draw.load("demo", device="tpu") as model, pytest.raises(UsageError) as caught:
        model.generate(PROMPT, **QUICK)
    assert caught.value.message == "no device named 'tpu'"
    assert caught.value.hint.startswith("type device='auto', or one of ")


@pytest.mark.engine
def test_a_plan_contains_the_device_or_refuses_an_unknown_one() -> None:
    assert gpustack_draw.resolve("demo", device="cpu").device == "CPU"
    with pytest.raises(UsageError) as caught:
        gpustack_draw.resolve("demo", device="tpu")
    assert caught.value.message == "no device named 'tpu'"


@pytest.mark.engine
def test_devices_lists_the_cpu() -> None:
    devices = gpustack_draw.devices()
    assert [device.used for device in devices].count(True) == 1
    (cpu,) = (device for device in devices if device.name == "CPU")
    assert cpu.type == "cpu"
    assert 0 < cpu.memory_free < cpu.memory_total


@pytest.mark.engine
@pytest.mark.parametrize(
    ("part", "device", "sides"),
    [
        # ggml's code for CPUs converts the inputs of products to f16.
        ("final_layer", "CPU", (16, 64, 128)),
        ("tae.decoder", "CPU", (16, 64, 128)),
        # In f32 only a chain of layers overflows, and not if a ReLU begins with negative numbers.
        ("tae.decoder", "auto", (64, 128)),
    ],
)
def test_overflowing_values_are_an_error_not_a_picture(
    tmp_path: Path, part: str, device: str, sides: tuple[int, ...]
) -> None:
    broken = tmp_path / "overflowing.gguf"
    content = bytearray(DEMO_FILE.read_bytes())
    for name in (name for name in read_model_header(DEMO_FILE).tensors if part in name):
        fill(content, name, struct.pack("<e", 65504))
    broken.write_bytes(content)
    with gpustack_draw.load(broken, device=device) as model:
        for side in sides:
            for steps in (1, 2):
                with pytest.raises(BlankPictureError) as caught:
                    model.generate(PROMPT, size=(side, side), sample_steps=steps, seed=7)
                message = "'overflowing' drew no picture: its numbers overflowed"
                assert caught.value.message == message, (side, steps)


@pytest.mark.engine
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("tensor", "count"),
    [
        ("model.diffusion_model.final_layer.linear.weight", None),
        ("tae.decoder.layers.18.weight", None),
        # The ReLU that follows turns NaN into 0, so that no result contains it.
        ("tae.decoder.layers.3.conv.0.weight", 1),
        ("tae.decoder.layers.3.conv.0.bias", 1),
    ],
)
def test_weights_that_are_nan_or_infinite_are_an_error(
    tmp_path: Path, tensor: str, count: int | None, value: str
) -> None:
    broken = tmp_path / "damaged.gguf"
    content = bytearray(DEMO_FILE.read_bytes())
    is_f32 = read_model_header(DEMO_FILE).tensors[tensor].type == "F32"
    fill(content, tensor, struct.pack("<f" if is_f32 else "<e", float(value)), count)
    broken.write_bytes(content)
    with gpustack_draw.load(broken) as model, pytest.raises(ModelFileError) as caught:
        model.generate(PROMPT, **QUICK)
    assert caught.value.message == (
        f"the model is damaged: tensor '{tensor}' contains NaN or infinity"
    )
    assert caught.value.hint == "download the file again, or use another one"


def fill(content: bytearray, tensor: str, value: bytes, count: int | None = None) -> None:
    """Replace the first `count` values of a tensor in the demo file's bytes; None replaces all."""
    header = read_model_header(DEMO_FILE)
    info = header.tensors[tensor]
    name = tensor.encode()
    entry = content.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)
    dimensions = struct.unpack_from("<I", content, entry)[0]
    (offset,) = struct.unpack_from("<Q", content, entry + 4 + 8 * dimensions + 4)
    total = sum(-(-each.bytes // 32) * 32 for each in header.tensors.values())
    begin = len(content) - total + offset
    # Blocks of Q8_0 have 34 bytes and start with the scale.
    step = {"F16": 2, "F32": 4, "Q8_0": 34}[info.type]
    if info.type == "F32" and len(value) == 2:
        value = struct.pack("<f", *struct.unpack("<e", value))
    for position in range(begin, begin + info.bytes, step)[:count]:
        content[position : position + len(value)] = value


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, gpustack_draw; print(sorted({'numpy', 'PIL', 'json', 'dataclasses',"
        " 'gpustack_draw._core', 'gpustack_draw.api'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    for name in gpustack_draw.__all__:
        assert getattr(gpustack_draw, name) is not None
    assert callable(gpustack_draw.generate)
    public = [name for name in dir(gpustack_draw) if not name.startswith("__")]
    assert public == sorted(gpustack_draw.__all__)
    assert "__version__" in dir(gpustack_draw)
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        gpustack_draw.no_such_name  # noqa: B018
