"""Metadata of servers are not trusted: any of them lead to a plan, or to an error for the user."""

from typing import Any

import pytest
from fake_models import plain_png
from hypothesis import given
from hypothesis import strategies as st
from own_backend import META, parameters_of

from gpustack_draw import DrawRequest, PictureOptions
from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.models import RunningModel
from gpustack_draw.gpustack_server.plan_request import plan_request
from gpustack_draw.gpustack_server.release import Release
from gpustack_draw.gpustack_server.reported_settings import reported_settings, reported_size
from gpustack_draw.request.draw_settings import DrawSettings

NAMES = (*META, "strength", "guidance")
NUMBERS = st.sampled_from([0, -1, 0.5, 1, 7, 64, 1000, 1025, 1e9, 10**30])
TEXTS = st.sampled_from(["", "euler", "start", "control", "\x1b[31m", "x" * 400])
VALUES = st.one_of(
    NUMBERS,
    TEXTS,
    st.booleans(),
    st.none(),
    st.lists(st.one_of(NUMBERS, TEXTS), max_size=3),
    st.dictionaries(st.sampled_from(["width", "height", "scale", "steps", "name"]), NUMBERS),
)
IMAGE = plain_png(40, 24, (1, 2, 3))
REQUESTS = (
    DrawRequest(prompt="a cat", seed=1),
    DrawRequest(prompt="a cat", seed=1, size="native", hires=1.5, loras=["ink"]),
    DrawRequest(prompt="a cat", seed=1, pictures=PictureOptions(image=IMAGE)),
    DrawRequest(prompt="a", seed=1, pictures=PictureOptions(image=IMAGE, mask=IMAGE, expand=8)),
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.sampled_from(REQUESTS))
def test_any_metadata(meta: dict[str, Any], request: DrawRequest) -> None:
    for release in (Release("0.7.1", (0, 7)), Release("2.3.0", (2, 3))):
        for known in (meta, {**meta, "gpustack_draw": "0.2.0"}):
            try:
                plan = plan_request(request, release, RunningModel("m", known), preview=True)
            except UsageError as error:
                assert "\x1b" not in str(error)  # noqa: PT017 - both outcomes are right
                continue
            width, height = plan.picture_size
            assert 1 <= width <= 8192 * 4
            assert 1 <= height <= 8192 * 4
            assert plan.bodies[0]["seed"] == 1


OTHERS: dict[str, Any] = {"prompt": "", "negative_prompt": "", "seed": 0, "width": 1, "height": 1}
OTHERS |= {"sampler": None, "scheduler": None}
REPORTED = (*parameters_of({"size": "64x64"}), "seed", "cfg_scale", "sigmas", "loras", "hires")


@given(st.dictionaries(st.sampled_from(REPORTED), VALUES))
def test_any_reported_settings(values: dict[str, Any]) -> None:
    (planned,) = plan_request(
        REQUESTS[1], Release("2.3.0", (2, 3)), RunningModel("m", META)
    ).settings
    found = reported_settings(values, planned)
    assert DrawSettings(**{**OTHERS, **found})
    size = reported_size(values)
    assert size is None or all(1 <= side <= 8192 for side in size)
    assert "\x1b" not in repr(found)


@pytest.mark.parametrize("value", [0.5, 0, "16", None])
def test_a_size_multiple_that_is_none(value: object) -> None:
    model = RunningModel("m", {**META, "size_multiple": value})
    plan = plan_request(DrawRequest(prompt="", size=(33, 17)), Release("2.3.0", (2, 3)), model)
    assert plan.bodies[0]["size"] == "33x17"
