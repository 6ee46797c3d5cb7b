"""This program's command and library as clients of the server, straight and through a proxy."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from line_proxy import line_proxy
from PIL import Image
from served import ServedProcess

import gpustack_draw
from gpustack_draw import DrawRequest, Model, Progress
from gpustack_draw.cli.main import main

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("empty_folder")]

NAME = "on-the-server"  # any name: the server has a single model
PROMPT = "a red circle on a blue background"
QUICK: Mapping[str, Any] = {"seed": 7, "sample_steps": 2, "size": (64, 64)}


@pytest.fixture(scope="module")
def local() -> Iterator[Model]:
    with gpustack_draw.load("demo", threads=1) as model:
        yield model


def square(shade: int) -> Image.Image:
    """Return a picture of 64x64 with a gradient, so that no part equals another."""
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    pixels = np.dstack([np.tile(ramp, (64, 1)), np.tile(ramp, (64, 1)).T])
    return Image.fromarray(np.dstack([pixels, np.full((64, 64), shade, np.uint8)]))


def half_mask() -> Image.Image:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    return mask


def test_the_command_draws_on_the_server(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--count 2 --seed 7 --sample-steps 2 --size 64x64 --output c.png --json"
    assert main([NAME, PROMPT, "--server", url, *options.split()]) == 0
    output = capsys.readouterr()
    records = [json.loads(line) for line in output.out.splitlines()]
    assert [record["seed"] for record in records] == [7, 8]
    host = url.partition("://")[2]
    device = f"gpustack-draw {gpustack_draw.__version__} at {host}"
    known = {"family": "flux2-klein", "sampler": "euler", "sample_steps": 2, "device": device}
    assert {name: records[0][name] for name in known} == known
    assert f"gpustack-draw: {device} draws with its only model, 'demo'\n" in output.err
    assert Path("c-2.png").is_file()
    assert main(["models", "--server", url, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (record["model"], record["server"], record["max_size"]) == ("demo", url, [2048, 2048])


@pytest.mark.parametrize(
    ("options", "largest", "mean"),
    [
        ({"sampler": "heun", "cfg_scale": 2.0, "negative_prompt": "blue", "rng": "cpu"}, 0, 0.0),
        ({"hires": 1.5, "hires_upscaler": "nearest", "hires_steps": 1}, 0, 0.0),
        ({"image": [square(0), square(200)]}, 0, 0.0),
        ({"image": square(0), "ref_image": [square(90), square(200)], "strength": 0.6}, 0, 0.0),
        ({"image": square(0), "mask": half_mask(), "mask_blur": 2}, 0, 0.0),
        # The border of an area that is scaled is blended twice, by the server and by this program.
        ({"image": square(0), "mask": half_mask(), "masked_only": 8, "size": (80, 128)}, 60, 2.0),
    ],
    ids=["sampling", "hires", "edit", "references", "mask", "masked only"],
)
def test_a_picture_equals_that_of_this_machine(
    demo_server: ServedProcess,
    local: Model,
    options: Mapping[str, Any],
    largest: int,
    mean: float,
) -> None:
    options = {**QUICK, **options}
    # The proxy passes on only the last of several files with one name.
    with (
        line_proxy(demo_server.url) as url,
        gpustack_draw.load(NAME, server=url) as remote,
    ):
        theirs = remote.generate(PROMPT, **options)
    ours = local.generate(PROMPT, **options)
    difference = np.abs(np.asarray(theirs, int) - np.asarray(ours, int))
    assert difference.max() <= largest
    assert difference.mean() <= mean
    settings, own = (image.info["parameters"].partition("Model: ")[0] for image in (theirs, ours))
    assert settings == own


def test_progress_and_previews_of_the_server(url: str) -> None:
    reports: list[Progress] = []
    request = DrawRequest(prompt=PROMPT, **{**QUICK, "sample_steps": 4})
    with gpustack_draw.load(NAME, server=url) as model:
        assert model.has_previews
        list(model.draw(request, reports.append, preview=True))
    # The server skips steps that it could not send in time, at most the last one of a phase.
    assert {each.total for each in reports if each.phase == "sample"} == {4}
    previews = [each.preview for each in reports if each.preview is not None]
    assert previews
    assert previews[0].width == 64


def test_the_servers_error_is_that_of_the_command(
    demo_server: ServedProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--server", demo_server.url, "--lora", "no-such", "--size", "64x64"]
    assert main([NAME, PROMPT, "-q", *options]) == 1
    message, hint = capsys.readouterr().err.splitlines()
    where = f"gpustack-draw {gpustack_draw.__version__} at {demo_server.url}"
    assert message.startswith(f"gpustack-draw: {where} rejects the request (4")
    assert "no-such" in message
    assert hint == "gpustack-draw: change the value that the message names"
    assert list(Path().iterdir()) == []
