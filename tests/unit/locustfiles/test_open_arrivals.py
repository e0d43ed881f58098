"""The alarm that wakes the dispatcher, and what a window adds up of an open load."""

# mypy: allow-untyped-calls

from __future__ import annotations

from time import perf_counter
from typing import Any

import gevent
import numpy as np
import pytest
from _alarm import Alarm
from _arrival_tally import DROPPED, STARTED, ArrivalTally, merge_arrivals
from _tally import OK, Slice, WindowTally
from hdrh.histogram import HdrHistogram

PATIENCE_S = 30.0


def test_an_alarm_never_rings_early_unless_it_is_told_to() -> None:
    alarm = Alarm()
    due_s = [perf_counter() + 0.002 * number for number in range(1, 6)]
    for at_s in due_s:
        alarm.wait_until(at_s)
        assert perf_counter() >= at_s
    gevent.spawn(alarm.set)
    with gevent.Timeout(PATIENCE_S):
        alarm.wait_until(perf_counter() + 1000.0)
    alarm.wait_until(0.0)
    alarm.close()


def rows(*found: tuple[float, float, float]) -> Any:
    """Requests by intended start, send and end."""
    return np.array([(due, sent, end, (end - sent) * 1e3, 200, OK) for due, sent, end in found])


def piece(requests: Any, arrivals: list[tuple[float, float]], planned: list[float]) -> Slice:
    none = np.empty((0, 2))
    return Slice(8.0, 16.0, requests, np.empty(0), none, np.empty(0), none, none, np.array(arrivals), np.array(planned))


def test_a_window_judges_an_open_load_by_the_time_from_the_intended_start() -> None:
    window = WindowTally(opens_s=10.0, closes_s=14.0, good_within_s=1.0)
    requests = rows((10.0, 10.0, 10.5), (10.1, 11.0, 11.5), (12.0, 13.9, 15.0))
    window.fold(piece(requests, [(10.0, STARTED)], [10.0]))
    assert (window.ok, window.good) == (2, 1)
    assert window.open is not None
    merged = merge_arrivals([window.open.part()])
    assert merged is not None
    responses = HdrHistogram.decode(merged["response_histogram"])
    assert responses.get_value_at_percentile(100) == pytest.approx(1.4e6, rel=1e-3)
    lags = HdrHistogram.decode(merged["dispatch_histogram"])
    assert (lags.get_total_count(), lags.get_max_value()) == (2, pytest.approx(0.9e6, rel=1e-3))


def test_arrivals_count_in_the_window_in_which_they_were_due() -> None:
    window = WindowTally(opens_s=10.0, closes_s=14.0, good_within_s=1.0)
    fates = [(9.9, STARTED), (10.0, STARTED), (11.9, DROPPED), (13.0, STARTED), (14.0, STARTED)]
    window.fold(piece(rows((9.9, 9.9, 10.0)), fates, [9.9, 10.0, 11.9, 13.0, 13.5, 14.0]))
    assert window.open is not None
    part = window.open.part()
    assert (part["planned"], part["started"], part["dropped"]) == (4, 2, 1)
    assert part["half_planned"] == [2, 2]


def test_parts_of_workers_add_up_and_a_closed_load_has_none() -> None:
    assert merge_arrivals([]) is None
    one, two = ArrivalTally(planned=5, started=4, dropped=1), ArrivalTally(planned=6, started=6)
    one.half_planned, two.half_planned = [2, 3], [4, 2]
    merged = merge_arrivals([one.part(), two.part()])
    assert merged is not None
    assert {name: merged[name] for name in ("planned", "started", "dropped", "half_planned")} == {
        "planned": 11,
        "started": 10,
        "dropped": 1,
        "half_planned": [6, 5],
    }
