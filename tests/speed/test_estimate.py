"""Times of drawings: from measurements of the same network, of others, or of a product."""

from pathlib import Path

import pytest

from gpustack_draw.speed.drawing_work import PhaseWork
from gpustack_draw.speed.estimate import PictureTime, estimate_time, record_time
from gpustack_draw.speed.measurements import Computer, read_measurements

HERE = Computer(device="CPU: a processor", threads=2)
SECONDS = {"load": 3.0, "encode": 0.5, "sample": 8.0, "decode": 1.0}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))


def work(
    size: float = 1.0, steps: int = 4, network: str = "a", variant: str = ""
) -> tuple[PhaseWork, ...]:
    """Return the work of a drawing whose sampling and decoding are proportional to ``size``."""
    return (
        PhaseWork(phase="load", network="files", operations=1e9),
        PhaseWork(phase="encode", network=network, operations=1e11),
        PhaseWork(
            phase="sample", network=network, operations=1e12 * size, units=steps, variant=variant
        ),
        PhaseWork(phase="decode", network="vae", operations=2e11 * size),
    )


def never() -> float:
    raise AssertionError("measured")


def estimate(
    drawing: tuple[PhaseWork, ...], computer: Computer = HERE, speed: float | None = None
) -> PictureTime:
    found = estimate_time(drawing, computer, never if speed is None else lambda: speed)
    assert found is not None
    return found


def test_the_same_drawing_takes_the_same_time() -> None:
    record_time(work(), HERE, SECONDS)
    found = estimate(work())
    assert (found.load, found.encode, found.sample, found.decode) == (3.0, 0.5, 8.0, 1.0)
    assert (found.picture, found.is_measured) == (9.5, True)
    assert found.operations == 4e12 + 1e11 + 2e11


def test_another_number_of_steps_and_another_size_are_scaled() -> None:
    record_time(work(), HERE, SECONDS)
    found = estimate(work(size=2, steps=8))
    assert (found.sample, found.decode, found.is_measured) == (32.0, 2.0, True)


def test_a_size_between_two_measured_ones() -> None:
    record_time(work(size=1), HERE, {"sample": 4.0})
    record_time(work(size=4), HERE, {"sample": 64.0})  # each step takes 16 times as long
    record_time(work(), HERE, SECONDS | {"sample": 4.0})
    assert estimate(work(size=2)).sample == pytest.approx(16.0)
    assert estimate(work(size=8)).sample == pytest.approx(128.0)


def test_another_model_or_loras_are_a_guess_from_this_one() -> None:
    record_time(work(), HERE, SECONDS)
    for other in (work(network="b"), work(variant="loras")):
        found = estimate(other)
        assert (found.sample, found.is_measured) == (8.0, False)


def test_a_first_guess_is_measured_once() -> None:
    found = estimate(work(), speed=1e11)
    assert found.load is None
    assert (found.sample, found.is_measured) == (pytest.approx(100.0), False)
    assert estimate(work()) == found
    other = Computer(device="CPU: a processor", threads=1)
    assert estimate(work(), other, speed=5e10).sample == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("speed", "sampling", "decoding"), [(166e9, (0.7, 1.0), (0.3, 0.5)), (770e9, (2, 5), (1, 3))]
)
def test_a_first_guess_for_a_cpu_is_what_was_measured_with_slow_and_fast_products(
    speed: float, sampling: tuple[float, float], decoding: tuple[float, float]
) -> None:
    """In times of a product of as many operations, by AVX2 and by AMX."""
    cpu = Computer(device="FastCPU: a processor", threads=2, is_fast_cpu=True)
    found = estimate(work(steps=1), cpu, speed=speed)
    assert sampling[0] < found.sample / (1e12 / speed) < sampling[1]
    assert decoding[0] < found.decode / (2e11 / speed) < decoding[1]


def test_a_phase_that_was_never_measured_is_a_guess_from_the_product() -> None:
    """As encoding pictures is for a model that has drawn from text only."""
    record_time(work(), HERE, {"sample": 8.0, "decode": 1.0})
    found = estimate(work(), speed=1e11)
    assert (found.sample, found.decode, found.is_measured) == (8.0, 1.0, True)
    assert found.encode == pytest.approx(2.5)
    assert estimate(work()) == found


def test_a_device_that_does_not_compute_has_no_time() -> None:
    assert estimate_time(work(), HERE, lambda: 0.0) is None
    assert read_measurements() == []


def test_phases_that_were_not_necessary_are_not_recorded() -> None:
    record_time(work(), HERE, {"sample": 8.0, "decode": 1.0})
    assert [each.phase for each in read_measurements()] == ["sample", "decode"]


def test_a_prompt_whose_encoding_was_kept_is_not_recorded() -> None:
    record_time(work(), HERE, SECONDS)
    record_time(work(), HERE, {"encode": 0.01})
    assert estimate(work()).encode == 0.5
    record_time(work(), HERE, {"encode": 0.3})
    assert estimate(work()).encode == pytest.approx(0.3)


def test_a_disturbed_drawing_changes_the_estimate_less_than_a_faster_one() -> None:
    for seconds, expected in ((12.0, 12.0), (8.0, 8.0), (18.0, 11.0)):
        record_time(work(), HERE, {"sample": seconds})
        assert read_measurements()[-1].seconds * 4 == pytest.approx(expected)


def test_two_passes_are_added_but_not_recorded() -> None:
    record_time(work(), HERE, SECONDS)
    passes = (*work(), *work(size=4, steps=2)[2:])
    assert estimate(passes).sample == 8.0 + 16.0
    record_time(passes, HERE, {"sample": 100.0, "decode": 100.0, "load": 5.0})
    found = estimate(work())
    assert (found.load, found.sample, found.decode) == (pytest.approx(3.6), 8.0, 1.0)


@pytest.mark.parametrize(
    ("seconds", "load", "is_measured", "text"),
    [
        (
            40.4,
            6.0,
            True,
            "about 40 s a picture, 6.0 s to load the model (measured on this machine)",
        ),
        (0.256, None, False, "about 0.26 s a picture (first guess)"),
        (95.0, None, False, "about 95 s a picture (first guess)"),
        (200.0, None, False, "about 3.3 min a picture (first guess)"),
        (
            2000.0,
            100.0,
            True,
            "about 33 min a picture, 1.7 min to load the model (measured on this machine)",
        ),
        (20_000.0, None, True, "about 5.6 h a picture (MEASURED)"),
    ],
)
def test_the_time_in_words(
    seconds: float, load: float | None, is_measured: bool, text: str
) -> None:
    time = PictureTime(
        load=load, encode=0, sample=seconds, decode=0, operations=1, is_measured=is_measured
    )
    assert time.describe() == text.replace("MEASURED", "measured on this machine")
