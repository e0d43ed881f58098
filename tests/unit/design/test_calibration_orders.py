"""The steps of a calibration before they are measured."""

from __future__ import annotations

import pytest

from loadlab.analysis.calibration_logs import P99_LEAST
from loadlab.design.calibration import (
    LATENCY_ORDERS,
    PACE_ORDERS,
    RATES_RPS,
    USERS,
    doubling_orders,
    doubling_users,
    rate_order,
    users_order,
)
from loadlab.model.calibration import Order


def test_paces_and_rates_are_asked_of_open_arrivals_and_the_rest_of_closed_loops() -> None:
    rungs = [rate_order(rate, 1, 1) for rate in RATES_RPS]
    assert [order.size for order in (*PACE_ORDERS, *rungs)] == [100, 1000, *RATES_RPS]
    assert all(order.rate_rps is not None for order in (*PACE_ORDERS, *rungs))
    closed = (*LATENCY_ORDERS, users_order(250, 1, 1), *doubling_orders(60))
    assert all(order.rate_rps is None and order.size == order.users > 0 for order in closed)


def test_a_rung_of_rates_grows_with_the_generators() -> None:
    order = rate_order(1500, 3, 2)
    assert (order.id, order.rate_rps, order.generators) == ("rate-4500-2", 4500, 3)


@pytest.mark.parametrize(("rate_rps", "users"), [(3000.0, 60), (510.0, 10), (10.0, 2)])
def test_doubling_halves_evenly_whatever_the_reach(rate_rps: float, users: int) -> None:
    assert doubling_users(rate_rps) == users


def test_all_steps_tried_once_load_the_machine_for_less_than_two_minutes() -> None:
    ladders = [*(rate_order(rate, 1, 1) for rate in RATES_RPS), *(users_order(users, 1, 1) for users in USERS)]
    assert sum(_length_s(order) for order in (*LATENCY_ORDERS, *PACE_ORDERS, *ladders, *doubling_orders(60))) < 120.0


@pytest.mark.parametrize("rate_rps", [RATES_RPS[0], RATES_RPS[-1]])
def test_every_step_is_long_enough_for_the_p99_that_it_is_judged_by(rate_rps: int) -> None:
    """On the slowest machine that is calibrated, and on a fast one."""
    doubled = doubling_orders(doubling_users(rate_rps))
    ladders = (*(rate_order(rate, 1, 1) for rate in RATES_RPS), *(users_order(users, 1, 1) for users in USERS))
    for order in (*(o for o in LATENCY_ORDERS if o.delay_s > 0.001), *PACE_ORDERS, *ladders, *doubled):
        expected_rps = order.rate_rps or order.users / (order.delay_s + order.think_s)
        assert expected_rps * order.measure_s >= 1.04 * P99_LEAST, order.id


def _length_s(order: Order) -> float:
    return order.settle_s + order.measure_s
