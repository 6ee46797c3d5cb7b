"""Messages about the end of the engine's process."""

import signal

import pytest

from gpustack_draw.engine.out_of_memory import is_out_of_memory
from gpustack_draw.engine.process_end import ended_error
from gpustack_draw.errors import EngineCrashed, NotEnoughMemoryError

SMALLER_MODEL = "close other programs, or use a smaller quantization of the model, for example Q4_0"
SMALLER_PICTURE = (
    "draw a smaller size, use a smaller quantization of the model, or close other programs"
)
TILES = "decode it in tiles with vae_tiling='on', draw a smaller size, or close other programs"
RESTART = "the next drawing starts it again; on_log=print prints the engine's log"


@pytest.mark.parametrize(
    ("phase", "was_oom_kill", "message", "hint"),
    [
        ("load", True, "to load the model: the system ended the engine", SMALLER_MODEL),
        ("load_loras", True, "to load the LoRAs: the system ended the engine", SMALLER_PICTURE),
        ("encode", True, "to encode the prompt: the system ended the engine", SMALLER_PICTURE),
        ("sample", True, "to sample the picture: the system ended the engine", SMALLER_PICTURE),
        ("decode", True, "to decode the picture: the system ended the engine", TILES),
        (
            "upscale",
            True,
            "to enlarge the picture: the system ended the engine",
            "enlarge a smaller picture, or close other programs",
        ),
        ("", True, ": the system ended the engine", SMALLER_PICTURE),
        (
            "encode_pictures",
            None,
            "to encode the input pictures, probably: the engine was killed (SIGKILL)",
            TILES,
        ),
    ],
)
def test_a_kill_because_memory_ran_out(
    phase: str, was_oom_kill: bool | None, message: str, hint: str
) -> None:
    error = ended_error(-signal.SIGKILL, [], phase=phase, was_oom_kill=was_oom_kill)
    assert isinstance(error, NotEnoughMemoryError)
    assert error.message == "not enough memory" + (message if phase == "" else f" {message}")
    assert error.hint == hint


def test_a_kill_for_another_reason() -> None:
    error = ended_error(-signal.SIGKILL, ["a line"], phase="decode", was_oom_kill=False)
    assert isinstance(error, EngineCrashed)
    assert (error.message, error.hint) == ("the engine was killed (SIGKILL): a line", RESTART)


@pytest.mark.parametrize(
    ("status", "lines", "message"),
    [
        (
            -signal.SIGABRT,
            ["CUDA error: out of memory", "  in function alloc at ggml-cuda.cu:100"],
            "the engine aborted on a failed assertion (SIGABRT): CUDA error: out of memory",
        ),
        (1, ["MemoryError"], "the engine ended unexpectedly with status 1: MemoryError"),
    ],
)
def test_last_words_about_memory(status: int, lines: list[str], message: str) -> None:
    error = ended_error(status, lines, phase="sample", was_oom_kill=False)
    assert isinstance(error, NotEnoughMemoryError)
    assert error.message == f"not enough memory to sample the picture: {message}"


def test_earlier_words_about_memory_are_not_the_cause() -> None:
    lines = ["out of memory", *(f"line {number}" for number in range(5))]
    error = ended_error(-signal.SIGSEGV, lines, phase="sample", was_oom_kill=True)
    assert isinstance(error, EngineCrashed)
    assert error.message == "the engine crashed (SIGSEGV): line 4"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("std::bad_alloc", True),
        ("ggml_gallocr_reserve_n_impl: failed to allocate Vulkan0 buffer of size 2283798528", True),
        ("vk::Device::allocateMemory: ErrorOutOfDeviceMemory", True),
        ("ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory", True),
        ("decode_first_stage failed for latent 1", False),
    ],
)
def test_words_about_memory(line: str, expected: bool) -> None:
    assert is_out_of_memory(line) == expected
