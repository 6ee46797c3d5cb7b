"""The memory options: values, spellings and errors."""

from typing import Any

import pytest

from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError
from gpustack_draw.request.memory_options import MemoryOptions
from gpustack_draw.request.names import WEIGHT_TYPES


def test_spellings() -> None:
    assert MemoryOptions() == MemoryOptions(vae_tiling=None)
    assert MemoryOptions(vae_tiling=True).vae_tiling == "on"
    assert MemoryOptions(vae_tiling=False).vae_tiling == "off"
    assert MemoryOptions(vae_tiling=" ON ").vae_tiling == "on"
    assert MemoryOptions(weight_type="Q4_k").weight_type == "q4_K"


def test_an_option_switches_on_what_it_needs() -> None:
    assert MemoryOptions(vae_tile_size=256).vae_tiling == "on"
    assert MemoryOptions(max_vram=4).offload_to_cpu is True


def test_chosen_options() -> None:
    assert MemoryOptions(vae_tiling="auto").chosen() == []
    assert MemoryOptions(low_memory=True, clip_on_cpu=False).chosen() == [
        "low_memory",
        "clip_on_cpu",
    ]


@pytest.mark.parametrize(
    ("options", "message", "hint", "argument"),
    [
        (
            {"vae_tiling": "always"},
            "'always' is not auto, on or off",
            "for example vae_tiling='on'",
            "vae_tiling",
        ),
        (
            {"vae_tile_size": 32},
            "32 is not a tile size from 64 to 8192",
            "for example vae_tile_size=512",
            "vae_tile_size",
        ),
        (
            {"vae_tile_size": 256, "vae_tiling": "off"},
            "vae_tile_size needs tiles, and vae_tiling='off' forbids them",
            "leave one of them out",
            "vae_tile_size",
        ),
        (
            {"max_vram": 0},
            "0 is not a number of GiB from 0.1 to 1024",
            "for example max_vram=6",
            "max_vram",
        ),
        (
            {"max_vram": 6, "offload_to_cpu": False},
            "max_vram needs offload_to_cpu",
            "leave one of them out",
            "max_vram",
        ),
        (
            {"weight_type": "q4_x"},
            "'q4_x' is not a weight type, the nearest are q4_K, q4_1, q4_0",
            f"weight types: {', '.join(WEIGHT_TYPES)}",
            "weight_type",
        ),
    ],
)
def test_wrong_values(options: dict[str, Any], message: str, hint: str, argument: str) -> None:
    with pytest.raises(UsageError) as caught:
        MemoryOptions(**options)
    error = caught.value
    assert (error.message, error.hint, error.argument) == (message, hint, argument)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--vae-tile-size 8", "'8' is not a tile size from 64 to 8192"),
        ("--max-vram much", "'much' is not a number of GiB from 0.1 to 1024"),
        ("--type int8", "'int8' is not a weight type"),
        (
            "--vae-tiling off --vae-tile-size 256",
            "--vae-tile-size needs tiles, and --vae-tiling off forbids them",
        ),
    ],
)
@pytest.mark.parametrize("command", ["demo cat --dry-run", "serve demo"])
def test_wrong_values_of_the_command(
    command: str, options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), *options.split()]) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"gpustack-draw: {message}"
