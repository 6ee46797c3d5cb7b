"""The studio with the real demo model: what the library does in its threads."""

import os
import signal
from collections.abc import Iterator

import pytest
from processes import running_processes
from served import options_of
from stub_models import RunningStudio, running_studio, wait_until

from gpustack_draw import Picture
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.serve.studio import Drawn

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(options_of("demo")) as running:
        yield running


def engines() -> list[int]:
    return [process.pid for process in running_processes() if process.parent == os.getpid()]


def picture_of(events: list[object]) -> Picture:
    assert isinstance(events[-1], Drawn)
    return events[-1].picture


def test_the_same_seed_draws_the_same_picture(studio: RunningStudio) -> None:
    first, second = (picture_of(studio.draw("a red circle", seed=7)) for _ in range(2))
    assert first.pixels == second.pixels
    assert studio.draw("a red circle")[0].settings[0].seed is not None


def test_a_client_that_goes_away_ends_the_engine_which_starts_again(studio: RunningStudio) -> None:
    (engine,) = engines()
    request = studio.begin(sample_steps=10_000)
    wait_until(lambda: studio.studio.current() is not None)
    request.cancel()
    wait_until(lambda: engine not in engines())
    wait_until(lambda: studio.studio.current() is None)
    assert picture_of(studio.draw(seed=7)).width == 64


def test_an_engine_that_is_killed_costs_one_answer(studio: RunningStudio) -> None:
    studio.draw()
    (engine,) = engines()
    request = studio.begin(sample_steps=10_000)
    wait_until(lambda: studio.studio.current() is not None)
    os.kill(engine, signal.SIGKILL)
    error = request.error()
    assert isinstance(error, EngineCrashed)
    assert "SIGKILL" in error.message
    assert studio.studio.statistics().engine_restarts == 1
    assert picture_of(studio.draw(seed=7)).width == 64
