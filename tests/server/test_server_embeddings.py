"""Embeddings with a model on a GPUStack server: refused before anything is sent."""

import pytest
from loopback_gpustack import LoopbackGpustack
from server_commands import NAME

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError

MESSAGE = "a GPUStack server draws without embeddings: their names in the prompt would be words"


@pytest.mark.parametrize("release", ["old", "new"])
def test_embeddings_are_refused(release: str, request: pytest.FixtureRequest) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    with pytest.raises(UsageError) as caught:
        gpustack_draw.generate(NAME, "a toy", embeddings=["toy.pt"])
    error = caught.value
    assert (error.message, error.hint, error.argument) == (
        MESSAGE,
        "draw on this machine with on='local', or leave embeddings out",
        "embeddings",
    )
    assert server.requests == []


def test_the_command_names_its_option(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, "a toy", "--embedding", "toy.pt"]) == 2
    assert capsys.readouterr().err == (
        f"gpustack-draw: {MESSAGE}\n"
        "gpustack-draw: draw on this machine with --on local, or leave --embedding out\n"
    )
    assert old.requests == []
