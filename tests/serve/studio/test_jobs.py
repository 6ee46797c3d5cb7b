"""Tests of the estimate of the time that a drawing still takes."""

import pytest

from gpustack_draw import Progress
from gpustack_draw.serve.studio.jobs import Job


@pytest.mark.parametrize(
    ("progress", "pace", "expected"),
    [
        (None, 0.5, None),
        (Progress("load", 3, 4, 2.0), 0.5, None),
        (Progress("fetch", 3, 4, 2.0), 0.5, None),
        (Progress("encode", 0, 1, 0.0), 0.5, 50),
        (Progress("encode", 0, 1, 0.0), 0.0, None),
        (Progress("sample", 0, 4, 0.0), 0.5, 50),
        (Progress("sample", 1, 4, 2.0), 0.5, 6),
        (Progress("sample", 6, 8, 2.0, resumed=4), 0.5, 2),
        (Progress("decode", 0, 1, 0.0), 0.0, 0),
    ],
)
def test_seconds_left(progress: Progress | None, pace: float, expected: float | None) -> None:
    job = Job("demo", lambda _job: None, None, lambda: None, progress=progress, pixels=100)  # type: ignore[arg-type]
    assert job.seconds_left(pace) == expected
