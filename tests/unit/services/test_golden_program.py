"""What the golden server is told to do is exact arithmetic, and the same for the same seed."""

from __future__ import annotations

import json
import math
import random
from array import array
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.accuracy import Accuracy
from golden.program import (
    Bimodal,
    Constant,
    Draws,
    Freeze,
    LogNormal,
    Program,
    ProgramError,
    Ramp,
    parse_delay,
    parse_freeze,
)
from golden.record_log import COLUMNS, FORMAT, RecordLog
from golden.settings import GoldenSettings
from svc_common.environment import SettingsError

MS = 1_000_000
S = 1_000_000_000
TWO_IN_TWENTY = Freeze(length_ns=2 * S, every_ns=20 * S)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("constant(5ms)", Constant(5 * MS)),
        ("constant(0.1ms)", Constant(100_000)),
        ("bimodal(1ms, 100ms, 0.01)", Bimodal(MS, 100 * MS, 0.01)),
        ("lognormal(20ms, 0.5)", LogNormal(20 * MS, 0.5)),
        (" ramp(1ms,100ms,30s) ", Ramp(MS, 100 * MS, 30 * S)),
    ],
)
def test_a_delay_is_read_as_it_is_written(text: str, delay: object) -> None:
    assert parse_delay(text) == delay


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("soon", r"constant\(5ms\)"),
        ("constant(5)", "durations like .* where '5' is"),
        ("constant(5ms, 6ms)", r"constant\(DURATION\)"),
        ("constant(2h)", "durations like"),
        ("constant(61m)", "up to an hour"),
        ("bimodal(1ms, 2ms, 1.5)", "a number from 0 to 1"),
        ("lognormal(1ms, -1)", "a number from 0 to 5"),
        ("ramp(1ms, 2ms, 0s)", "takes some time"),
    ],
)
def test_a_delay_that_is_none_says_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(ProgramError, match=expected):
        parse_delay(text)


@pytest.mark.parametrize("text", ["2s", "2s/2s", "3s/2s", "0s/0s"])
def test_a_freeze_is_shorter_than_its_period(text: str) -> None:
    with pytest.raises(ProgramError, match="2s"):
        parse_freeze(text)


def test_settings_name_the_variable_that_is_wrong() -> None:
    with pytest.raises(SettingsError, match=r"GOLDEN_FREEZE=2s: expected LENGTH/PERIOD"):
        GoldenSettings.from_env({"GOLDEN_FREEZE": "2s"})
    with pytest.raises(SettingsError, match="GOLDEN_DELY is not a known setting: did you mean GOLDEN_DELAY"):
        GoldenSettings.from_env({"GOLDEN_DELY": "constant(1ms)"})
    settings = GoldenSettings.from_env({"GOLDEN_FREEZE": "2s/20s", "GOLDEN_DELAY": "constant(8ms)"})
    assert settings.program == Program(delay=Constant(8 * MS), freeze=TWO_IN_TWENTY, error_ratio=0.0)


def test_nothing_is_frozen_before_the_first_whole_period() -> None:
    assert [TWO_IN_TWENTY.thaw_ns(at) for at in (0, S, 20 * S - 1)] == [0, S, 20 * S - 1]


@given(st.integers(1, 50), st.integers(0, 2 * S - 1))
def test_what_arrives_in_a_freeze_is_taken_up_at_its_end(period: int, into_ns: int) -> None:
    program = Program(delay=Constant(8 * MS), freeze=TWO_IN_TWENTY, error_ratio=0.0)
    arrival_ns = period * 20 * S + into_ns
    assert program.due_ns(arrival_ns, 8 * MS) == period * 20 * S + 2 * S + 8 * MS


def test_what_falls_due_in_a_freeze_is_answered_at_its_end_and_what_does_not_is_not_touched() -> None:
    program = Program(delay=Constant(8 * MS), freeze=TWO_IN_TWENTY, error_ratio=0.0)
    assert program.due_ns(20 * S - 5 * MS, 8 * MS) == 22 * S
    assert program.due_ns(20 * S - 9 * MS, 8 * MS) == 20 * S - MS
    assert program.due_ns(22 * S, 8 * MS) == 22 * S + 8 * MS


def test_the_truth_of_the_stall_test_is_what_the_method_says() -> None:
    """100 requests a second against 2 s of stillness in every 20: a tenth waits up to 2 s (method, section 3)."""
    program = Program(delay=Constant(8 * MS), freeze=TWO_IN_TWENTY, error_ratio=0.0)
    arrivals = range(20 * S, 220 * S, 10 * MS)
    waits = sorted(program.due_ns(at, 8 * MS) - at for at in arrivals)
    assert waits[int(0.95 * len(waits))] / S == pytest.approx(1.008, abs=0.02)
    assert waits[int(0.99 * len(waits))] / S == pytest.approx(1.808, abs=0.02)


def test_a_ramp_is_a_straight_line_between_its_ends() -> None:
    ramp, rng = Ramp(MS, 101 * MS, 10 * S), random.Random(0)
    assert [ramp.draw_ns(at, rng) for at in (0, 5 * S, 10 * S, 99 * S)] == [MS, 51 * MS, 101 * MS, 101 * MS]


def test_a_seed_says_every_delay_and_every_failure() -> None:
    def drawn(seed: int) -> list[tuple[int, bool]]:
        draws = Draws(Program(delay=LogNormal(20 * MS, 0.5), freeze=None, error_ratio=0.3), seed)
        return [draws.next(0) for _ in range(500)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@given(st.floats(0.0, 1.0), st.integers(0, 1000), st.integers(1, 500))
def test_errors_keep_their_ratio_within_one_request(ratio: float, seed: int, count: int) -> None:
    draws = Draws(Program(delay=Constant(0), freeze=None, error_ratio=ratio), seed)
    failed = sum(draws.next(0)[1] for _ in range(count))
    assert abs(failed - ratio * count) <= 1.0 + 1e-6


def test_distributions_have_the_shape_that_they_are_named_for() -> None:
    rng = random.Random(11)
    slow = sum(Bimodal(MS, 100 * MS, 0.1).draw_ns(0, rng) == 100 * MS for _ in range(10_000))
    assert slow == pytest.approx(1000, abs=4 * math.sqrt(900))
    draws = [LogNormal(20 * MS, 0.5).draw_ns(0, rng) for _ in range(10_000)]
    assert median(draws) / MS == pytest.approx(20.0, rel=0.03)


def test_the_error_of_the_schedule_is_told_in_whole_microseconds_upwards() -> None:
    accuracy = Accuracy()
    assert (accuracy.quantile_s(0.5), accuracy.max_s) == (None, None)
    for error_ns in [500] * 98 + [40_500, 3 * S]:
        accuracy.record(error_ns)
    assert accuracy.quantile_s(0.5) == pytest.approx(1e-6)
    assert accuracy.quantile_s(0.99) == pytest.approx(41e-6)
    assert accuracy.max_s == 3.0


def test_the_log_keeps_every_row_also_when_it_is_full(tmp_path: Path) -> None:
    log = RecordLog(tmp_path / "golden.log", 3, {"started_ns": 5})
    rows = [(n, 10 * n, 10 * n + 1, 10 * n + 2, 200) for n in range(1, 9)]
    for row in rows:
        log.add(*row)
    assert log.written_busy == 2
    log.close()
    head, _, body = (tmp_path / "golden.log").read_bytes().partition(b"\n")
    told = json.loads(head)
    assert (told["format"], tuple(told["columns"]), told["started_ns"]) == (FORMAT, COLUMNS, 5)
    assert array("q", body).tolist() == [number for row in rows for number in row]
