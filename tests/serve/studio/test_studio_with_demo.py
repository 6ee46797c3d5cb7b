"""The studio with the real demo model: what the library does in its threads."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from processes import running_process
from served import options_of
from stub_models import RunningStudio, running_studio, wait_until

from gpustack_draw import DrawRequest, Picture
from gpustack_draw.engine import local_engine
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.serve.studio import Drawn

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(options_of("demo")) as running:
        yield running


def engine_of(studio: RunningStudio) -> int | None:
    """Return the process of the engine; ``None`` while there is none."""
    model: Any = studio.studio._pool.open(studio.studio.find(None))
    pid = model._engine._engine.pid
    return None if pid is None or running_process(pid) is None else int(pid)


def picture_of(events: list[object]) -> Picture:
    assert isinstance(events[-1], Drawn)
    return events[-1].picture


def test_the_same_seed_draws_the_same_picture(studio: RunningStudio) -> None:
    first, second = (picture_of(studio.draw("a red circle", seed=7)) for _ in range(2))
    assert first.pixels == second.pixels
    assert studio.draw("a red circle")[0].settings[0].seed is not None


def test_a_request_is_planned_once(studio: RunningStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Input pictures are prepared with the plan, which takes seconds for large ones."""
    planned: list[object] = []

    def plan(request: DrawRequest, *rest: Any) -> Any:
        planned.append(request)
        return plan_drawing(request, *rest)

    monkeypatch.setattr(local_engine, "plan_drawing", plan)
    studio.draw("a red circle")
    assert len(planned) == 1


def test_a_client_that_goes_away_ends_its_drawing_and_the_model_stays_loaded(
    studio: RunningStudio,
) -> None:
    studio.draw()
    engine = engine_of(studio)
    assert engine is not None
    request = studio.begin(sample_steps=10_000)
    wait_until(lambda: studio.studio.current() is not None)
    request.cancel()
    wait_until(lambda: studio.studio.current() is None)
    assert "load" not in picture_of(studio.draw(seed=7)).seconds
    assert engine_of(studio) == engine


def test_an_engine_that_is_killed_costs_one_answer(studio: RunningStudio) -> None:
    studio.draw()
    engine = engine_of(studio)
    assert engine is not None
    request = studio.begin(sample_steps=10_000)
    wait_until(lambda: studio.studio.current() is not None)
    os.kill(engine, signal.SIGKILL)
    error = request.error()
    assert isinstance(error, EngineCrashed)
    assert "SIGKILL" in error.message
    assert studio.studio.statistics().engine_restarts == 1
    assert picture_of(studio.draw(seed=7)).width == 64
