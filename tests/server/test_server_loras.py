"""LoRAs on a GPUStack server: refused by backends other than gpustack-draw, before drawing."""

import pytest
from loopback_gpustack import LoopbackGpustack
from server_commands import NAME

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError

MESSAGE = "a GPUStack server draws without LoRAs that a request names"
HINT = "draw on this machine with on='local', or leave the LoRA out"


@pytest.mark.parametrize("release", ["old", "new"])
@pytest.mark.parametrize(
    ("prompt", "loras", "argument"),
    [("a cat", ["ink.safetensors"], "loras"), ("a cat <lora:ink:1>", None, "prompt")],
)
def test_a_lora_of_a_request_is_refused(
    release: str,
    prompt: str,
    loras: object,
    argument: str,
    request: pytest.FixtureRequest,
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    with pytest.raises(UsageError) as caught:
        gpustack_draw.generate(NAME, prompt, loras=loras)  # type: ignore[arg-type]
    error = caught.value
    assert (error.message, error.hint, error.argument) == (MESSAGE, HINT, argument)
    assert server.drawings() == []


def test_a_lora_of_the_model_is_refused(old: LoopbackGpustack) -> None:
    with pytest.raises(UsageError) as caught:
        gpustack_draw.load(NAME, loras="ink.safetensors")
    assert (caught.value.message, caught.value.hint) == (MESSAGE, HINT)
    assert old.drawings() == []


def test_the_command_names_its_option(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, "a cat", "--lora", "ink.safetensors"]) == 2
    assert capsys.readouterr().err == (
        f"gpustack-draw: {MESSAGE}\n"
        "gpustack-draw: draw on this machine with --on local, or leave the LoRA out\n"
    )
