"""Tests of the arithmetic behind the tables of the CPU comparison."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from compare_cpu.added import Added, added_table
from compare_cpu.job import Job, Outcome, Timing
from compare_cpu.report import aligned, measured_table, ratio_table, rows
from compare_cpu.steps import differences, logged_seconds, step_seconds
from whole_pictures import Picture, Whole, table

JOB = Job("ours", "f16", "sd15", 256, 3, 7.0, 2, "weights", "sd-cli")
LOG = """
[INFO ] model.cpp:993  - loading tensors completed, taking 1.25s (process: 0.00s, read: 1.20s)
  |================>                                 | 1/3 - 2.50s/it
  |=================================>                | 2/3 - 2.20s/it
  |==================================================| 3/3 - 2.17s/it
[INFO ] stable-diffusion.cpp:3432 - sampling completed, taking 6.50s
[INFO ] stable-diffusion.cpp:3212 - decode_first_stage completed, taking 4.00s
"""


def outcome(who: str, kind: str, *steps: float, decode: float | None = 1.0) -> Outcome:
    job = replace(JOB, contestant=who, kind=kind)
    return Outcome(job, Timing(0.5, list(steps), decode), peak_bytes=100 * 2**20)


def test_the_first_step_of_each_run_does_not_count() -> None:
    outcomes = [outcome("ours", "f16", 9.0, 1.0, 2.0), outcome("ours", "f16", 8.0, 3.0, 4.0)]
    (row,) = rows(outcomes)["sd15", 256]
    assert (row.first, row.step, row.runs) == (8.5, 2.5, 2)
    assert row.spread == pytest.approx((3.25 - 1.75) / 2 / 2.5)


def test_a_run_of_one_step_counts_it() -> None:
    (row,) = rows([outcome("ours", "f16", 9.0)])["sd15", 256]
    assert (row.step, row.spread) == (9.0, 0.0)


def test_sizes_and_models_are_tables_of_their_own() -> None:
    small = outcome("ours", "f16", 1.0)
    large = replace(small, job=replace(JOB, side=512))
    failed = Outcome(JOB, error="ended with status -9")
    assert set(rows([small, large, failed])) == {("sd15", 256), ("sd15", 512)}


def test_shares_refer_to_the_measured_peaks() -> None:
    (table,) = rows([outcome("ours", "f16", 9.0, 2.0, decode=None)]).values()
    head, line = measured_table(table, {"step": 400e9}, {"f32": 400e9, "bf16": 800e9})
    measured = ["", "first s", "step s", "+-", "decode s", "load s", "peak MiB", "runs"]
    assert head == [*measured, "GFLOP/s", "of f32", "of bf16"]
    assert line == ["ours f16", "9.00", "2.00", "0%", "-", "0.500", "100", "1", "200", "50%", "25%"]
    assert measured_table(table, {}, {})[0][-1] == "runs"


def test_ratios_are_to_the_peers_and_to_the_same_weights() -> None:
    all_rows = rows(
        [
            outcome("ours", "f16", 9.0, 2.0),
            outcome("ours", "q8_0", 9.0, 1.0),
            outcome("plain", "q8_0", 9.0, 8.0),
            outcome("diffusers", "bf16", 9.0, 4.0),
        ]
    )
    head, f16, q8, *_others = ratio_table(all_rows["sd15", 256])
    same = ["plain, same weights", "sd-cli, same weights", "ours f16"]
    assert head == ["step, ratio to", "diffusers bf16", *same]
    assert f16 == ["ours f16", "0.50", "-", "-", "1.00"]
    assert q8 == ["ours q8_0", "0.25", "0.12", "-", "0.50"]


def test_columns_of_a_table_are_aligned() -> None:
    assert aligned([["", "step s"], ["ours f16", "2.0"]]) == "          step s\nours f16     2.0"


def test_steps_from_the_seconds_at_which_they_ended() -> None:
    assert differences([2.0, 3.5, 5.5]) == [2.0, 1.5, 2.0]


def test_the_engines_log_gives_the_first_step_and_the_mean_of_the_others() -> None:
    assert step_seconds(LOG) == [2.5, 2.0, 2.0]
    assert logged_seconds(LOG, "loading tensors") == 1.25
    assert logged_seconds(LOG, "decode_first_stage") == 4.0


def test_the_engines_log_of_fast_steps_contains_steps_per_second() -> None:
    log = "| 1/2 - 4.00it/s\n| 2/2 - 5.00it/s\nsampling completed, taking 0.40s\n"
    assert step_seconds(log) == pytest.approx([0.25, 0.15])


def test_a_log_without_seconds_is_an_error() -> None:
    with pytest.raises(ValueError, match="no seconds of sampling in the engine's log"):
        logged_seconds("", "sampling")
    with pytest.raises(ValueError, match="no sampling steps in the engine's log"):
        step_seconds("sampling completed, taking 0.40s")


def test_added_seconds_are_compared_with_those_of_the_peer() -> None:
    rows = [Added("ours f16", 1.0, 1.5), Added("diffusers f32", 2.0, 4.0)]
    ours, peer = (line.split() for line in added_table(rows, "diffusers f32").splitlines()[1:])
    assert ours == ["ours", "f16", "1.000", "1.500", "0.500", "1.500", "0.50", "0.38", "0.25"]
    assert peer[-3:] == ["1.00", "1.00", "1.00"]
    assert added_table(rows[:1], "diffusers f32").splitlines()[1].split() == ours[:-3]


def test_whole_pictures_are_compared_with_the_first_contestant() -> None:
    picture = Picture.parse("sd15:512:20")
    assert str(picture) == "sd15, 512x512, 20 steps"
    ours = Whole(picture, "ours f16", [2.0, 9.0, 3.0], 100 * 2**20)
    other = Whole(picture, "sd-cli f16", [12.0], 200 * 2**20)
    assert table([ours, other])[1:] == [
        ["ours f16", "3.00", "1.00", "100", "3"],
        ["sd-cli f16", "12.00", "0.25", "200", "1"],
    ]
