"""The time of a picture: a first guess, and the time of the drawing before."""

import json
from pathlib import Path

import pytest

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.errors import EngineError, UsageError
from gpustack_draw.speed.measurements import read_measurements

pytestmark = pytest.mark.engine
REQUEST = gpustack_draw.DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=2, seed=1)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_a_drawing_makes_the_guess_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    with gpustack_draw.load("demo") as model:
        guess = model.plan(REQUEST)
        assert guess.time is not None
        assert (guess.time.load, guess.time.is_measured) == (None, False)
        assert guess.time_seconds == guess.time.picture > 0
        (drawn,) = model.draw(REQUEST)
        plan = model.plan(REQUEST)
    assert plan.time is not None
    assert plan.time.is_measured
    assert plan.time.load == pytest.approx(drawn.seconds["load"])
    # As if the first of the two steps had taken as long as the second one.
    assert 0 < plan.time.sample < 2 * drawn.seconds["sample"]
    assert plan.time.decode == pytest.approx(drawn.seconds["decode"])
    assert plan.time_seconds == plan.time.encode + plan.time.sample + plan.time.decode

    options = ["--size", "64x64", "--dry-run"]
    assert main(["demo", "a red circle", *options, "--sample-steps", "4", "--json"]) == 0
    time = json.loads(capsys.readouterr().out)["time"]
    assert time["sample"] == pytest.approx(2 * plan.time.sample)
    assert main(["demo", "a red circle", *options]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("time:")]
    assert line.endswith(" to load the model (measured on this machine)")

    content = json.dumps([each.network for each in read_measurements()])
    assert "circle" not in content


def test_a_device_whose_speed_cannot_be_measured_has_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> float:
        raise EngineError("the driver failed")

    monkeypatch.setattr(EngineProcess, "measure_speed", fail)
    plan = gpustack_draw.resolve("demo", request=REQUEST)
    assert (plan.time, plan.time_seconds) == (None, None)


def test_the_speed_of_a_device() -> None:
    engine = EngineProcess()
    try:
        device = next(each.name for each in engine.devices() if each.type == "cpu")
        assert engine.measure_speed(device=device, threads=1) > 1e8
        with pytest.raises(UsageError, match="no device named 'Mars0'"):
            engine.measure_speed(device="Mars0", threads=1)
    finally:
        engine.close()
