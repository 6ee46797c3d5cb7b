"""The progress of a picture: phases, seconds, and the steps of two passes counted together."""

from collections.abc import Sequence

import pytest

from gpustack_draw.engine.picture_progress import PictureProgress
from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.progress.describe import describe
from gpustack_draw.progress.progress import Progress

FIRST = Progress("load", 0, 0, 0.0, 1, 1)


def steps(phase: str, total: int, seconds: float) -> list[EngineProgress]:
    return [EngineProgress(phase, step, total, seconds * step) for step in range(total + 1)]


def nothing() -> None:
    pass


def reported(
    passes: Sequence[Sequence[EngineProgress]], *, announced: bool
) -> tuple[list[Progress], PictureProgress]:
    """Report two passes; the second one is announced if two drawings make them."""
    seen: list[Progress] = []
    progress = PictureProgress(seen.append, FIRST, nothing, second_steps=3)
    for number, records in enumerate(passes):
        if number and announced:
            progress.begin_second_pass()
        for record in records:
            progress(record)
    return seen, progress


OURS = (
    [*steps("encode", 1, 0.5), *steps("sample", 2, 1.0), *steps("decode", 1, 0.25)],
    [*steps("encode_pictures", 1, 2.0), *steps("encode", 1, 0.5), *steps("sample", 3, 4.0)],
)
LATENT = ([*steps("encode", 1, 0.5), *steps("sample", 2, 1.0)], [*steps("sample", 3, 4.0)])


@pytest.mark.parametrize(
    ("passes", "announced"), [(OURS, True), (LATENT, False)], ids=["ours", "latent"]
)
def test_one_count_over_both_passes(
    passes: Sequence[Sequence[EngineProgress]], announced: bool
) -> None:
    seen, progress = reported(passes, announced=announced)
    sampling = [each for each in seen if each.phase == "sample"]
    assert [(each.step, each.total) for each in sampling] == [
        *((0, 5), (1, 5), (2, 5), (2, 5), (3, 5), (4, 5), (5, 5))
    ]
    assert [each.mode for each in sampling] == ["txt2img"] * 3 + ["hires"] * 4
    assert progress.seconds["sample"] == 2.0 + 12.0
    assert describe(sampling[1]) == "drawing 1/5, 20 %, 1.00 s/step, 4.0 s left"
    # The rate is that of the second pass alone.
    assert describe(sampling[4]) == "drawing larger 3/5, 60 %, 4.00 s/step, 8.0 s left"


def test_seconds_of_both_passes_are_added() -> None:
    _seen, progress = reported(OURS, announced=True)
    assert progress.seconds == {
        "encode": 1.0, "sample": 14.0, "decode": 0.25, "encode_pictures": 2.0,
    }  # fmt: skip


def test_a_single_pass_keeps_its_count() -> None:
    seen: list[Progress] = []
    progress = PictureProgress(seen.append, FIRST, nothing)
    for record in steps("sample", 2, 1.0):
        progress(record)
    assert [(each.step, each.total, each.resumed) for each in seen] == [
        *((0, 2, 0), (1, 2, 0), (2, 2, 0))
    ]


def test_the_first_step_of_a_loaded_model_counts_as_the_later_ones() -> None:
    progress = PictureProgress(None, FIRST, nothing)
    for step, seconds in enumerate((0.0, 9.0, 11.0, 13.0, 15.0)):
        progress(EngineProgress("sample", step, 4, seconds))
    progress(EngineProgress("decode", 1, 1, 3.0))
    assert progress.steady_seconds == {"sample": 8.0, "decode": 3.0}
    assert progress.seconds == {"sample": 15.0, "decode": 3.0}


@pytest.mark.parametrize("passes", [OURS, ([*steps("sample", 1, 9.0)],)])
def test_two_passes_and_a_single_step_are_as_measured(
    passes: Sequence[Sequence[EngineProgress]],
) -> None:
    _seen, progress = reported(passes, announced=True)
    assert progress.steady_seconds == progress.seconds
