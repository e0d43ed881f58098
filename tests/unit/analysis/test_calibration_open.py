"""Open steps of a calibration: arrivals and response times against a truth that is known to the nanosecond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from _schedule import Schedule, parse_pattern

from builders_calibration import OPENED_S, make_logs, make_open_logs, make_open_order, make_open_step
from loadlab.analysis.calibration import judge_step, reach
from loadlab.analysis.calibration_logs import INTENDED_S
from loadlab.model.calibration import OpenFigures, Purpose, Reach, Step
from loadlab.stats.schedule import due_s

COUNT = 1200


def judged(step: Step) -> OpenFigures:
    assert step.open is not None
    return step.open


def test_the_truth_of_a_response_time_is_the_departure_less_the_intended_start() -> None:
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.00008] * COUNT), [0.003] * COUNT)
    step = judge_step(make_open_order(), logs)
    found = judged(step)
    assert step.faults == ()
    assert found.truth.p50_s == pytest.approx(0.003 + 0.00002 + 0.01, abs=1e-6)
    assert found.recorded.p99_s == pytest.approx(0.003 + 0.00008 + 0.01, rel=0.001)
    assert found.errors.p50_s == pytest.approx(0.00006, abs=1e-6)
    assert found.dispatch_lag.p99_s == pytest.approx(0.003, abs=1e-6)
    assert step.truth.p50_s == pytest.approx(0.01, abs=1e-8), "service time knows nothing of the lag"


def test_a_start_that_was_intended_when_the_generator_came_to_it_is_found() -> None:
    """For half a second it did nothing, and then said that the requests of that time were due when it sent them."""
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), [0.0] * COUNT)
    assert judged(judge_step(make_open_order(), logs)).off_schedule_s == pytest.approx(0.0, abs=1e-9)
    moved = logs.requests.copy()
    stalled = (moved[:, INTENDED_S] > OPENED_S + 0.5) & (moved[:, INTENDED_S] < OPENED_S + 1.0)
    moved[stalled, INTENDED_S] = OPENED_S + 1.0
    step = judge_step(make_open_order(), replace(logs, requests=moved))
    assert judged(step).off_schedule_s == pytest.approx(0.5, rel=0.01)
    assert any("intended starts are up to" in fault for fault in step.faults)


def test_of_a_load_with_dropped_arrivals_no_schedule_is_known() -> None:
    plain = make_logs([0.01] * COUNT, [0.0] * COUNT)
    step = judge_step(make_open_order(), make_open_logs(plain, [0.0] * COUNT, dropped=1))
    assert judged(step).off_schedule_s is None


@pytest.mark.parametrize("pattern", ["constant", "poisson"])
def test_the_schedule_is_that_which_the_generator_sends(pattern: str) -> None:
    """Over several of its chunks."""
    mine = due_s(pattern, rate_rps=250.0, seed=7, count=10_000)
    theirs = []
    for share in Schedule(rate_rps=250.0, pattern=parse_pattern(pattern), seed=7).share(0, 1):
        theirs += share.due_s.tolist()
        if len(theirs) >= 10_000:
            break
    assert mine == pytest.approx(np.array(theirs[:10_000]), abs=1e-9)


def test_a_schedule_with_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="expected constant or poisson"):
        due_s("steps(1@0s, 2@1s)", rate_rps=10.0, seed=1, count=3)


def test_a_response_that_was_recorded_from_the_send_is_not_truthful() -> None:
    plain = make_logs([0.01] * COUNT, [0.0] * COUNT)
    late, prompt = (make_open_logs(plain, [lag_s] * COUNT) for lag_s in (0.5, 0.0))
    arrivals = late.window.arrivals
    assert arrivals is not None
    assert prompt.window.arrivals is not None
    blind = replace(arrivals, response_histogram=prompt.window.arrivals.response_histogram)
    step = judge_step(make_open_order(), replace(late, window=replace(late.window, arrivals=blind)))
    assert [fault.split(",")[0] for fault in step.faults] == [
        "response p50: recorded 10.0 ms",
        "response p99: recorded 10.0 ms",
    ]


@pytest.mark.parametrize(
    ("purpose", "lag_s", "is_late"), [("rate", 0.0051, True), ("rate", 0.0049, False), ("pace", 0.0051, False)]
)
def test_a_rate_at_which_a_run_would_be_refused_for_late_sends_is_out_of_reach(
    purpose: Purpose, lag_s: float, is_late: bool
) -> None:
    """5 % of requests late: the p99 of a 10 ms answer's sends may be 5 ms late, whatever their median."""
    lags = [lag_s if number % 20 == 0 else 0.0 for number in range(COUNT)]
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), lags)
    faults = judge_step(make_open_order(purpose=purpose), logs).faults
    late = [fault for fault in faults if fault.startswith("sends are late by 5.1")]
    assert bool(late) == is_late
    assert [fault for fault in faults if "late" in fault] == late


@pytest.mark.parametrize(("lag_s", "is_late"), [(0.0011, True), (0.0009, False)])
def test_so_is_one_whose_sends_are_late_by_their_median(lag_s: float, is_late: bool) -> None:
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), [lag_s] * COUNT)
    faults = judge_step(make_open_order(purpose="rate"), logs).faults
    assert [fault.split(",")[0] for fault in faults] == ["sends are late by 1.10 ms (median)"] * is_late


def test_asked_and_delivered_are_arrivals_planned_and_begun() -> None:
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), [0.0] * COUNT, started=COUNT - 1)
    step = judge_step(make_open_order(), logs)
    assert (step.asked_rps, step.delivered_rps) == (COUNT / 2.5, (COUNT - 1) / 2.5)
    assert step.truthful


@pytest.mark.parametrize(("started", "dropped"), [(1187, 0), (None, 1)])
def test_arrivals_that_were_not_begun_or_dropped_make_the_step_untruthful(started: int | None, dropped: int) -> None:
    plain = make_logs([0.01] * COUNT, [0.0] * COUNT)
    step = judge_step(make_open_order(), make_open_logs(plain, [0.0] * COUNT, started=started, dropped=dropped))
    assert len(step.faults) == 1
    assert "planned arrivals begun" in step.faults[0]


def test_arrivals_that_are_counted_but_were_never_seen_by_the_server_are_found() -> None:
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), [0.0] * COUNT)
    gone = replace(logs, golden=logs.golden[10:], requests=logs.requests[10:])
    step = judge_step(make_open_order(), gone)
    assert judged(step).arrived == COUNT - 10
    assert step.unmatched == 0
    assert any("1\u202f190 requests that were intended in the window" in fault for fault in step.faults)


def test_only_requests_intended_in_the_window_count_as_arrived() -> None:
    logs = make_open_logs(make_logs([0.01] * COUNT, [0.0] * COUNT), [0.0] * COUNT)
    half = judged(judge_step(make_open_order(), replace(logs, opened_s=OPENED_S + 1.0))).arrived
    assert COUNT * 0.49 < half < COUNT * 0.51


def test_an_open_step_whose_window_counted_no_arrivals_is_not_truthful() -> None:
    step = judge_step(make_open_order(), make_logs([0.01] * COUNT, [0.0] * COUNT))
    assert step.open is None
    assert "the window counted no arrivals of an open load" in step.faults


def test_the_reach_of_open_rungs_is_what_was_delivered_and_ends_at_what_was_asked_for() -> None:
    steps = [make_open_step(rate_rps=rate, delivered_rps=rate - 0.5) for rate in (500, 1000)]
    bad = make_open_step(rate_rps=1500, delivered_rps=1400.0, faults=("p99",))
    assert reach([*steps, bad, bad], "rate") == Reach(most=999.5, beyond=1500.0)
    assert reach([bad, bad, *steps, replace(bad, faults=())], "rate") == Reach(most=1400.0, beyond=None)
