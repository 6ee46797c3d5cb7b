"""Byte counts and durations as text, and rounding."""

import pytest

from gpustack_draw.units import format_bytes, format_bytes_of, format_seconds, round_up


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_995, "10.0 kB"),
        (99_940, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (6_794_000_000, "6.79 GB"),
        (12_000_000_000, "12.0 GB"),
        (150_000_000_000, "150 GB"),
        (1_500_000_000_000, "1.50 TB"),
        (10**16, "10000 TB"),
    ],
)
def test_format_bytes(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [
        (0, 24_000_000, "0.0/24.0 MB"),
        (1_500_000_000, 6_000_000_000, "1.50/6.00 GB"),
        (288, 512, "288/512 B"),
        (0, 0, "0/0 B"),
    ],
)
def test_format_bytes_of(part: int, total: int, text: str) -> None:
    assert format_bytes_of(part, total) == text


def test_format_bytes_of_with_words_between() -> None:
    assert format_bytes_of(14 * 10**10, 15 * 10**10, " of ") == "140 of 150 GB"


@pytest.mark.parametrize(
    ("number", "multiple", "rounded"), [(0, 8, 0), (1, 8, 8), (8, 8, 8), (9, 8, 16)]
)
def test_round_up(number: int, multiple: int, rounded: int) -> None:
    assert round_up(number, multiple) == rounded


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.004 s"),
        (0.0995, "0.10 s"),
        (0.35, "0.35 s"),
        (0.996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (98.9, "99 s"),
        (99.0, "1.6 min"),
        (600.0, "10 min"),
        (5939.0, "99 min"),
        (5940.0, "1.6 h"),
        (86_400.0, "24 h"),
    ],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
