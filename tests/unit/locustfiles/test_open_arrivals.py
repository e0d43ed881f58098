"""The alarm that wakes the dispatcher, and what a window adds up of an open load."""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

import gevent
import numpy as np
import pytest
from _alarm import Alarm
from _arrival_tally import DROPPED, STARTED, ArrivalTally, merge_arrivals
from _open_summary import OpenSummary
from _tally import FAILED, OK, UNJUDGED, Slice, WindowTally
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


def told(summary: OpenSummary, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    caplog.clear()
    with caplog.at_level(logging.INFO):
        summary.tell()
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_the_log_tells_all_three_times_of_an_open_load(caplog: pytest.LogCaptureFixture) -> None:
    """Of 1 000 requests every hundredth was intended a second before its send."""
    summary = OpenSummary()
    late = [(10.0, 11.0, 11.2)] * 11 + [(10.0, 10.001, 10.201)] * 989
    summary.fold(piece(rows(*late[:400]), [(10.0, STARTED)] * 400, [10.0] * 400))
    summary.fold(piece(rows(*late[400:]), [(10.0, STARTED)] * 600, [10.0] * 600))
    ((level, line),) = told(summary, caplog)
    assert level == "INFO"
    assert line.startswith("open load of this process: 1000 arrivals begun, 0 dropped; 0 requests failed; of the 1000")
    assert "response time from the intended start p50 201.1 ms, p95 201.1 ms, p99 1200.1 ms;" in line
    assert "service time p50 200.1 ms, p95 200.1 ms, p99 200.1 ms;" in line
    assert line.endswith("dispatch lag p50 1.0 ms, p95 1.0 ms, p99 1000.4 ms")


def test_dropped_arrivals_are_a_warning_and_few_requests_tell_few_quantiles(caplog: pytest.LogCaptureFixture) -> None:
    summary, found = OpenSummary(), rows(*[(10.0, 10.0, 10.5)] * 4)
    found[0, -1], found[1, -1] = FAILED, UNJUDGED
    summary.fold(piece(found, [(10.0, STARTED)] * 4 + [(10.0, DROPPED)] * 3, [10.0] * 7))
    ((level, line),) = told(summary, caplog)
    assert level == "WARNING"
    assert "4 arrivals begun, 3 dropped; 1 requests failed; of the 2 others: response time" in line
    assert "p50" in line
    assert "p95" not in line


def test_an_open_load_that_was_dropped_whole_has_no_times(caplog: pytest.LogCaptureFixture) -> None:
    summary = OpenSummary()
    summary.fold(piece(np.empty((0, 6)), [(10.0, DROPPED)], [10.0]))
    ((_, line),) = told(summary, caplog)
    assert "0 arrivals begun, 1 dropped" in line
    assert line.endswith("dispatch lag absent")


def test_of_a_closed_load_the_log_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    summary, none = OpenSummary(), np.empty((0, 2))
    summary.fold(Slice(8.0, 16.0, rows((10.0, 10.0, 10.5)), np.empty(0), none, np.empty(0), none, none))
    assert told(summary, caplog) == []
