"""A window's sums on one worker, computed by hand: straddling requests, clipped integrals, halves, gaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from _histogram import LatencyCounts
from _tally import FAILED, OK, UNJUDGED, Slice, WindowTally, joined

NAN = float("nan")


def piece(
    lo_s: float,
    hi_s: float,
    *rows: tuple[float, float, float, float, float],
    late_s: float = 0.0,
    flights: tuple[float, ...] = (),
    thinks: tuple[tuple[float, float], ...] = (),
    thinking: tuple[float, ...] = (),
    chores: tuple[tuple[float, float], ...] = (),
    lags: tuple[tuple[float, float], ...] = (),
) -> Slice:
    return Slice(
        lo_s,
        hi_s,
        np.array([(row[0] - late_s, *row) for row in rows], dtype=float).reshape(-1, 6),
        np.array(flights, dtype=float),
        np.array(thinks, dtype=float).reshape(-1, 2),
        np.array(thinking, dtype=float),
        np.array(chores, dtype=float).reshape(-1, 2),
        np.array(lags, dtype=float).reshape(-1, 2),
    )


def ok(start_s: float, end_s: float, code: float = 200) -> tuple[float, float, float, float, float]:
    return start_s, end_s, (end_s - start_s) * 1e3, code, OK


@pytest.fixture
def window() -> WindowTally:
    return WindowTally(opens_s=10.0, closes_s=14.0, good_within_s=1.0)


def test_a_request_belongs_to_the_window_in_which_it_ends(window: WindowTally) -> None:
    window.fold(piece(8, 16, ok(8.5, 9.9), ok(9.0, 10.0), ok(13.0, 13.999), ok(13.0, 14.0), ok(13.5, 15.0)))
    assert window.ok == 2
    assert window.latency_sum_s == pytest.approx(1.0 + 0.999)
    assert window.sent == 3


def test_answers_that_were_timed_by_their_read_are_counted_where_they_ended(window: WindowTally) -> None:
    pieces = [
        replace(piece(8, 12, ok(8.5, 9.9), ok(9.0, 10.0), ok(9.0, 11.0)), reads=np.array([9.9, 10.0])),
        replace(piece(12, 16, ok(13.0, 13.5), ok(13.0, 14.0)), reads=np.array([13.5, 14.0])),
    ]
    window.fold(joined(pieces))
    assert (window.ok, window.ends_read) == (3, 2)
    assert window.part(str)["ends_read"] == 2


def test_integrals_are_clipped_to_the_window_also_for_what_is_still_in_flight(window: WindowTally) -> None:
    window.fold(
        piece(
            8, 16, ok(9.0, 11.0), ok(13.0, 15.0), flights=(12.0,), thinks=((11.0, 13.0), (8.0, 10.5)), thinking=(13.5,)
        )
    )
    assert window.request_time_s == pytest.approx(1.0 + 1.0 + 2.0)
    assert window.user_time_s == pytest.approx(4.0 + 2.0 + 0.5 + 0.5)


@pytest.mark.parametrize("are_joined", [False, True])
def test_slices_add_up_to_the_same_as_one_slice(are_joined: bool) -> None:
    """However time is cut, a request in flight at a cut is counted once and integrated once."""
    requests = [(9.0, 10.5), (9.5, 11.0), (11.0, 11.5), (12.1, 15.0), (13.2, 13.9)]
    whole = WindowTally(10.0, 14.0, 1.0)
    whole.fold(piece(8.0, 16.0, *(ok(*request) for request in requests)))
    cut = WindowTally(10.0, 14.0, 1.0)
    pieces = []
    edges = [8.0, 9.7, 10.2, 11.2, 12.0, 12.6, 13.5, 16.0]
    for lo_s, hi_s in pairwise(edges):
        ended = [ok(start_s, end_s) for start_s, end_s in requests if lo_s < end_s <= hi_s]
        flying = tuple(start_s for start_s, end_s in requests if start_s < hi_s < end_s)
        pieces.append(piece(lo_s, hi_s, *ended, flights=flying))
    for group in (pieces[:3], pieces[3:]) if are_joined else ([one] for one in pieces):
        cut.fold(joined(group))
    left, right = whole.part(str), cut.part(str)
    assert np.frombuffer(left["gaps"]) == pytest.approx([1.5, 2.1])
    for name in left:
        if name == "gaps":
            assert np.frombuffer(right[name]) == pytest.approx(np.frombuffer(left[name]))
        elif isinstance(left[name], float):
            assert right[name] == pytest.approx(left[name]), name
        else:
            assert right[name] == left[name], name


def test_good_is_counted_exactly_at_the_limit(window: WindowTally) -> None:
    rows = [(10.0, 11.0, latency_ms, 200.0, OK) for latency_ms in (999.9999, 1000.0, 1000.0001)]
    window.fold(piece(8, 16, *rows, (10.0, 11.0, 5.0, 503.0, FAILED)))
    assert (window.ok, window.good, window.failed) == (3, 2, 1)


def test_outcomes_count_by_code_and_milliseconds_are_rounded_up_one_by_one(window: WindowTally) -> None:
    window.fold(
        piece(
            8,
            16,
            (10, 11, 1.2, 200, OK),
            (10, 11, 2.0, 200, OK),
            (10, 11, 0.1, 503, FAILED),
            (10, 12, 7.5, 1000, FAILED),
        )
    )
    part = window.part({200: "200", 503: "503", 1000: "error:TimeoutError"}.__getitem__)
    assert part["outcomes"] == {"200": 2, "503": 1, "error:TimeoutError": 1}
    assert part["latency_ceil_ms_sum"] == 2 + 2 + 1 + 8
    assert part["latency_sum_s"] == pytest.approx(0.0108)


def test_halves_split_at_the_middle_and_hold_ok_requests_only(window: WindowTally) -> None:
    window.fold(piece(8, 16, ok(11.0, 11.5), ok(11.0, 12.0), ok(11.0, 13.0), (11.0, 11.1, 100.0, 500.0, FAILED)))
    assert window.half_ok == [1, 2]
    assert window.half_latency_sum_s == pytest.approx([0.5, 3.0])


def test_a_request_that_is_judged_later_counts_once(window: WindowTally) -> None:
    window.fold(piece(9, 12, (10.0, 11.0, NAN, 200.0, UNJUDGED)))
    assert (window.ok, window.failed, window.sent) == (0, 0, 1)
    window.fold(piece(12, 15, (NAN, 11.0, 990.0, 200.0, OK)))
    assert (window.ok, window.sent) == (1, 1)
    assert window.request_time_s == pytest.approx(1.0)


def test_the_peak_and_the_gaps_of_a_window(window: WindowTally) -> None:
    window.fold(piece(8, 12, ok(9.0, 10.5), ok(9.5, 10.25)))
    window.fold(piece(12, 15, ok(13.0, 13.5), flights=(14.5,)))
    part = window.part(str)
    assert part["in_flight_max"] == 2
    assert np.frombuffer(part["gaps"]).reshape(-1, 2).tolist() == [[0.5, 3.0], [3.5, 4.0]]
    assert part["idle_s"] == pytest.approx(3.0)


def test_chores_of_the_generator_count_as_time_of_users_wherever_slices_are_cut(window: WindowTally) -> None:
    window.fold(piece(11.0, 12.0, chores=((10.9, 11.1), (9.9, 10.1), (13.9, 14.1))))
    assert window.chores_s == pytest.approx(window.user_time_s)
    assert window.user_time_s == pytest.approx(0.2 + 0.1 + 0.1)


def test_what_lies_between_intended_start_and_send_is_the_dispatch_lag(window: WindowTally) -> None:
    window.fold(piece(8, 16, ok(9.0, 11.0), ok(11.0, 12.0), (12.0, 13.0, NAN, 200.0, UNJUDGED), late_s=0.25))
    window.fold(piece(16, 17, (NAN, 13.0, 990.0, 200.0, OK)))
    lags = LatencyCounts()
    lags.merge(window.part(str)["dispatch_lags"])
    assert lags.total == 2, "of the requests that were sent in the window"
    assert lags.quantile_s(0.5) == pytest.approx(0.25, rel=1e-3)
    assert window.latency_sum_s == pytest.approx(2.0 + 1.0 + 0.99), "the latency is from the send on"


def test_lags_of_the_probe_are_those_inside_the_window(window: WindowTally) -> None:
    window.fold(piece(8, 16, lags=((9.9, 5.0), (10.0, 0.001), (13.9, 0.003), (14.0, 5.0))))
    lags = LatencyCounts()
    lags.merge(window.part(str)["lags"])
    assert lags.total == 2
    assert lags.quantile_s(1.0) == pytest.approx(0.003, rel=1e-3)


def test_closing_early_leaves_out_what_ends_later(window: WindowTally) -> None:
    window.closes_s = 12.0
    window.fold(piece(8, 16, ok(11.0, 11.5), ok(11.0, 12.0), thinking=(10.0,)))
    assert window.ok == 1
    assert window.user_time_s == pytest.approx(0.5 + 1.0 + 2.0)


def test_joined_slices_hold_what_ended_in_each_and_what_the_last_one_has_under_way() -> None:
    first = piece(1, 2, ok(0.5, 1.5), flights=(1.2,), thinks=((0.2, 1.1),), thinking=(1.3,), lags=((1.5, 0.1),))
    second = piece(2, 3, ok(1.2, 2.5), flights=(2.6,), thinks=((1.3, 2.2),), thinking=(2.4,), chores=((2.5, 2.6),))
    whole = joined([replace(first, planned=np.array([1.4])), replace(second, planned=np.array([2.7]))])
    assert (whole.lo_s, whole.hi_s) == (1, 3)
    assert whole.rows[:, 2].tolist() == [1.5, 2.5]
    assert whole.thinks.tolist() == [[0.2, 1.1], [1.3, 2.2]]
    assert (whole.flights.tolist(), whole.thinking.tolist()) == ([2.6], [2.4])
    assert (whole.chores.tolist(), whole.lags.tolist()) == ([[2.5, 2.6]], [[1.5, 0.1]])
    assert whole.planned is not None
    assert whole.planned.tolist() == [1.4, 2.7]
    assert joined([first]).planned is joined([first, second]).planned is None
