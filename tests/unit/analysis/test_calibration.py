"""Errors of the load generator against a truth that is known to the nanosecond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders_calibration import make_calibration, make_logs, make_open_step, make_order, make_step
from loadlab.analysis.calibration import (
    FLOOR_S,
    doubling,
    failures,
    judge_step,
    largest_bias,
    largest_small_bias_s,
    reach,
)
from loadlab.analysis.calibration_logs import join, quantiles
from loadlab.model.calibration import Reach


def test_a_known_delay_of_the_generator_is_found_to_the_microsecond() -> None:
    step = judge_step(make_order(), make_logs([0.01] * 1200, [0.00015] * 1200))
    assert step.truth.p50_s == pytest.approx(0.01, abs=1e-8)
    assert step.errors.p50_s == pytest.approx(0.00015, abs=1e-6)
    assert step.errors.p99_s == pytest.approx(0.00015, abs=1e-6)
    assert step.recorded.p99_s == pytest.approx(0.01015, rel=0.001)
    assert step.golden_late.p50_s == pytest.approx(1e-6)
    assert (step.requests, step.unmatched, step.truthful) == (1200, 0, True)


def test_what_is_more_than_the_bounds_is_not_truthful_and_says_which_quantile() -> None:
    step = judge_step(make_order(), make_logs([0.01] * 1200, [0.0] * 1180 + [0.005] * 20))
    assert not step.truthful
    assert len(step.faults) == 1
    assert step.faults[0].startswith("p99: recorded 15.0 ms, truth 10.0 ms")


def test_an_error_within_the_floor_is_none_however_short_the_delay() -> None:
    assert judge_step(make_order(delay_s=0.0001), make_logs([0.0001] * 50, [0.9 * FLOOR_S] * 50)).truthful
    assert not judge_step(make_order(delay_s=0.0001), make_logs([0.0001] * 50, [1.1 * FLOOR_S] * 50)).truthful


def test_quantiles_with_too_few_values_behind_them_are_absent() -> None:
    few, many = quantiles(np.arange(999) / 1e3), quantiles(np.arange(1, 10_001) / 1e3)
    assert (few.p50_s is not None, few.p99_s, few.p999_s) == (True, None, None)
    assert (many.p50_s, many.p99_s, many.p999_s) == (5.0, 9.9, 9.99)


def test_a_request_in_one_log_only_is_counted_and_makes_the_step_untruthful() -> None:
    logs = make_logs([0.01] * 100, [0.0] * 100)
    both = join(logs.golden[:-3], logs.requests[1:])
    assert (len(both.golden), len(both.requests), both.unmatched) == (96, 96, 4)
    assert (both.golden[:, 0] == both.requests[:, 0]).all()
    step = judge_step(make_order(), replace(logs, golden=logs.golden[:-3]))
    assert step.unmatched == 3
    assert "3 requests are in one log only" in step.faults


def test_a_request_that_the_golden_server_never_answered_has_no_truth() -> None:
    logs = make_logs([0.01] * 100, [0.0] * 100)
    logs.golden[5, 3:] = 0
    assert judge_step(make_order(), logs).unmatched == 2


def test_order_of_the_logs_does_not_matter() -> None:
    logs = make_logs([0.01, 0.02, 0.03, 0.04], [0.001, 0.002, 0.003, 0.004])
    shuffled = replace(logs, golden=logs.golden[[2, 0, 3, 1]], requests=logs.requests[[1, 3, 0, 2]])
    assert judge_step(make_order(), logs) == judge_step(make_order(), shuffled)


def test_requests_outside_of_the_window_count_for_nothing_but_the_join() -> None:
    logs = make_logs([0.01] * 1000, [0.0] * 1000)
    late = replace(logs, opened_s=logs.opened_s + 1.0)
    step = judge_step(make_order(), late)
    assert 400 < step.requests < 600
    assert step.unmatched == 0


def test_the_rate_asked_for_is_that_of_users_who_lose_no_time() -> None:
    step = judge_step(make_order(users=20, think_s=0.19), make_logs([0.01] * 198, [0.0] * 198))
    assert step.asked_rps == pytest.approx(100.0)
    assert step.delivered_rps == pytest.approx(99.0)


@pytest.mark.parametrize(("answers", "truthful"), [(197, True), (195, False)])
def test_users_who_ask_less_often_than_they_should_are_not_truthful_however_right_their_latencies(
    answers: int, truthful: bool
) -> None:
    order = make_order(purpose="users", users=20, think_s=0.19)
    step = judge_step(order, make_logs([0.01] * answers, [0.0] * answers))
    assert step.truthful is truthful
    if not truthful:
        assert step.faults == (
            f"{step.delivered_rps:.1f} of 100.0 requests a second that so many users ask for, at least 98 % expected",
        )
    assert judge_step(replace(order, purpose="latency"), make_logs([0.01] * 150, [0.0] * 150)).truthful


def test_the_reach_ends_below_the_first_rung_that_failed_twice() -> None:
    steps = [make_step(purpose="rate", users=u, delivered_rps=200.0 * u) for u in (5, 10, 15)]
    bad = make_step(purpose="rate", users=20, delivered_rps=3900.0, faults=("p99",))
    assert reach([*steps, bad, bad], "rate") == Reach(most=3000.0, beyond=3900.0)
    assert reach([*steps, bad, replace(bad, faults=())], "rate") == Reach(most=3900.0, beyond=None)
    assert reach(steps, "users") == Reach(most=15.0, beyond=None)
    assert reach([bad], "rate") is None


def test_a_saturated_rung_does_not_bring_the_limit_below_what_held() -> None:
    good = make_step(purpose="rate", users=20, delivered_rps=4000.0)
    bad = make_step(purpose="rate", users=40, delivered_rps=3500.0, faults=("p99",))
    assert reach([good, bad], "rate") == Reach(most=4000.0, beyond=4000.0)


def test_two_generators_agree_with_one_or_not() -> None:
    one = make_step(purpose="doubling", recorded_s=0.0100)
    alike = doubling(one, make_step(purpose="doubling", recorded_s=0.0101, delivered_rps=990.0))
    assert alike is not None
    assert (alike.agrees, alike.rate_ratio) == (True, 0.99)
    slow = doubling(one, make_step(purpose="doubling", recorded_s=0.0100, delivered_rps=1060.0))
    assert slow is not None
    assert (slow.agrees, slow.rate_ratio) == (False, 1.06)
    apart = doubling(one, make_step(purpose="doubling", recorded_s=0.0112))
    assert apart is not None
    assert not apart.agrees
    assert apart.p50_ratio == pytest.approx(1.12)


def test_biases_are_shares_of_long_delays_and_seconds_of_short_ones() -> None:
    steps = [
        make_step(truth_s=0.0001, recorded_s=0.00022),
        make_step(truth_s=0.01, recorded_s=0.0102),
        make_step(truth_s=0.1, recorded_s=0.097),
        make_step(purpose="rate", truth_s=0.01, recorded_s=0.02),
    ]
    assert largest_bias(steps, "p50_s") == pytest.approx(-0.03)
    assert largest_small_bias_s(steps) == pytest.approx(0.00012)
    assert largest_bias([], "p50_s") is None


def test_failures_name_the_other_work_first_where_there_is_some() -> None:
    good = make_calibration()
    assert failures(good.steps, good.cores, good.rate, good.users, good.doubling) == ()
    busy = [replace(core, paused_ratio=0.9) for core in good.cores]
    assert failures(good.steps, busy, good.rate, good.users, good.doubling) == ()
    off = make_step(faults=("p50: recorded 2 ms, truth 1 ms",))
    found = failures([off], busy, None, good.users, None)
    assert found[0].startswith("the cores had other work for 90 % of the time")
    assert found[1] == "latency-10: p50: recorded 2 ms, truth 1 ms"
    assert len(found) == 4
    assert len(failures([off], good.cores, good.rate, good.users, good.doubling)) == 1


def test_a_pace_that_fails_within_the_reach_of_rates_is_a_failure_and_one_beyond_it_is_not() -> None:
    good = make_calibration()
    off = make_open_step(purpose="pace", rate_rps=1000, faults=("990 of 1000 planned arrivals begun",))
    for rate, expected in (
        (Reach(most=4100.0, beyond=5000.0), ("pace-1000: 990 of 1000 planned arrivals begun",)),
        (Reach(most=1030.0, beyond=None), ("pace-1000: 990 of 1000 planned arrivals begun",)),
        (Reach(most=510.0, beyond=1000.0), ()),
    ):
        assert failures([off], good.cores, rate, good.users, good.doubling) == expected


def test_a_pace_is_one_generators_and_the_ladder_all_of_theirs() -> None:
    """Three generators that failed at 1 000 a second each: one alone need not hold that pace, but half of it."""
    good = make_calibration()
    rung = make_open_step(rate_rps=3000)
    rungs = [replace(rung, order=replace(rung.order, generators=3))]
    rate = Reach(most=1500.0, beyond=3000.0)
    for pace, count in ((1000, 0), (500, 1)):
        off = make_open_step(purpose="pace", rate_rps=pace, faults=("p99",))
        assert len(failures([off, *rungs], good.cores, rate, good.users, good.doubling)) == count


def test_two_generators_that_agree_but_lose_requests_are_a_failure() -> None:
    good = make_calibration()
    lossy = make_step(purpose="doubling", generators=2, faults=("3 requests failed",))
    found = failures([lossy], good.cores, good.rate, good.users, good.doubling)
    assert found == ("doubling-10: 3 requests failed",)


def test_a_rung_that_fails_ends_its_ladder_and_nothing_more() -> None:
    good = make_calibration()
    rungs = [make_open_step(faults=("p99",)), make_step(purpose="users", faults=("p99",))]
    assert failures(rungs, good.cores, good.rate, good.users, good.doubling) == ()
