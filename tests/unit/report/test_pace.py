"""The time left: a bound first, then what the plan expects, at the pace so far; it rises only where windows come."""

from __future__ import annotations

from random import Random

import pytest

from loadlab.report.pace import Pace

BLOCKS = ([14.0] + [5.0] * 10) * 4
"""The first window of a block waits for both stacks to start and warm up."""


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def left_after_each(expected_s: list[float], actual_s: list[float]) -> list[float]:
    """The time left as the plan comes and after each window."""
    clock = Hand()
    pace = Pace(clock)
    pace.plan(expected_s)
    found = [pace.left_s() or 0.0]
    for seconds in actual_s:
        clock.now_s += seconds
        pace.window_done()
        found.append(pace.left_s() or 0.0)
    return found


def test_nothing_is_known_before_the_bound_and_the_bound_stands_until_the_plan_comes() -> None:
    clock = Hand()
    pace = Pace(clock)
    assert (pace.left_s(), pace.left_text()) == (None, "")
    pace.bound(44, 226.0)
    clock.now_s += 30
    assert pace.left_text() == "at least 3 min 46 s left", "demands come before the windows that the bound counts"
    pace.plan(BLOCKS)
    assert pace.left_text() == "about 4 min 16 s left"


def test_a_run_that_goes_as_expected_is_foreseen_to_the_second() -> None:
    left = left_after_each(BLOCKS, BLOCKS)
    assert left == pytest.approx([sum(BLOCKS[done:]) for done in range(len(BLOCKS) + 1)])


@pytest.mark.parametrize("resumed", [False, True])
def test_the_start_of_a_block_is_not_taken_for_the_pace_of_its_windows(*, resumed: bool) -> None:
    """The first of six windows took 12 s, of which 9 are the start of its block; the others take 3 s each."""
    windows = [12.0, *[3.0] * (2 if resumed else 5)]
    left = left_after_each(windows, windows)
    assert left[1] == pytest.approx(sum(windows[1:]))


@pytest.mark.parametrize("slowness", [0.5, 0.9, 1.1, 1.5, 3.0])
def test_the_time_left_never_rises_and_ends_true(slowness: float) -> None:
    rng = Random(7)
    actual = [seconds * slowness * rng.uniform(0.9, 1.1) for seconds in BLOCKS]
    left = left_after_each(BLOCKS, actual)
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0.0
    for done in range(33, len(BLOCKS)):
        assert left[done] == pytest.approx(sum(actual[done:]), rel=0.25)


def test_between_windows_the_time_left_falls_to_where_the_next_one_takes_it() -> None:
    clock = Hand()
    pace = Pace(clock)
    pace.plan([10.0, 10.0])
    shown = []
    for _ in range(3):
        clock.now_s += 5
        shown.append(pace.left_s())
    assert shown == [15.0, 10.0, 10.0], "a window that takes longer than expected holds it there"


@pytest.mark.parametrize("done", [0, 4])
def test_windows_that_come_on_top_add_what_a_window_takes(done: int) -> None:
    clock = Hand()
    pace = Pace(clock)
    pace.plan([10.0] * 8)
    for _ in range(done):
        clock.now_s += 10
        pace.window_done()
    pace.expect(10)
    assert pace.left_s() == pytest.approx(100.0 - 10.0 * done)
    for _ in range(10 - done):
        clock.now_s += 10
        pace.window_done()
    assert (pace.left_s(), pace.left_text()) == (0.0, "")


def test_windows_that_come_when_all_were_done_are_counted() -> None:
    """A second stage is known only when the first is over."""
    clock = Hand()
    pace = Pace(clock)
    pace.plan([10.0, 10.0])
    for _ in range(2):
        clock.now_s += 10
        pace.window_done()
    pace.expect(5)
    assert pace.left_s() == pytest.approx(30.0)


def test_a_run_without_windows_left_has_no_time_left() -> None:
    pace = Pace(Hand())
    pace.plan([])
    assert (pace.left_s(), pace.left_text()) == (0.0, "")
