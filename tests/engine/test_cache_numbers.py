"""A step cache as numbers of the engine, and what it did as a note."""

import pytest

from gpustack_draw.engine.cache_numbers import cache_numbers
from gpustack_draw.engine.skipped_evaluations import Counts, notes_on_skipped, sum_of_passes


@pytest.mark.parametrize(
    ("cache", "numbers"),
    [
        (None, {}),
        ("spectrum", {"cache_mode": 6, "cache_chebyshev_share": 0}),
        ("easycache", {"cache_mode": 1}),
        ("ucache:threshold=0.5", {"cache_mode": 2, "cache_reuse_threshold": 0.5}),
        ("dbcache:threshold=0.1", {"cache_mode": 3, "cache_residual_threshold": 0.1}),
    ],
)
def test_numbers(cache: str | None, numbers: dict[str, float]) -> None:
    assert cache_numbers(cache) == numbers


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ((9, 20), "the cache skipped 9 evaluations of the model in 20 steps"),
        ((1, 6), "the cache skipped 1 evaluation of the model in 6 steps"),
        ((0, 4), "the cache skipped no evaluation of the model in 4 steps"),
        ((0, 1), "the cache skipped no evaluation of the model in 1 step"),
    ],
)
def test_a_note_has_the_skipped_evaluations(counts: Counts, note: str) -> None:
    assert notes_on_skipped(counts) == (note,)


def test_no_cache_has_no_note() -> None:
    assert notes_on_skipped(None) == ()


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [(None, None, None), ((9, 20), (2, 10), (11, 30)), ((9, 20), None, (9, 20))],
)
def test_both_passes_count(first: Counts, second: Counts, both: Counts) -> None:
    assert sum_of_passes(first, second) == both
