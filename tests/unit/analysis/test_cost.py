"""Costs per request and per hour come out of the same windows, with their absences and their reasons."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from builders_cost import window
from loadlab.analysis.billing import Tariff, make_tariff
from loadlab.analysis.cost import (
    cost_estimates,
    is_inverse_throughput,
    usd_per_million_good,
    usd_per_million_good_by_window,
)
from loadlab.analysis.replicas import held_level, objective_held, replicas_needed, usd_per_hour_by_block
from loadlab.config.prices import load_price_list
from loadlab.model.experiment import Objective, Resources
from loadlab.model.run import Window
from loadlab.stats.student import t_quantile

RESOURCES = Resources(cpu=Decimal(1), memory_gib=Decimal(2))
OBJECTIVE = Objective(latency_s=1.0, good_ratio=0.95)


@pytest.fixture(scope="module")
def fargate() -> Tariff:
    return make_tariff(load_price_list("aws-fargate-x86"), "provisioned", RESOURCES)


@pytest.fixture(scope="module")
def cloud_run() -> Tariff:
    return make_tariff(load_price_list("cloud-run-request"), "request_billed", RESOURCES)


def sweep(good: dict[tuple[str, int], tuple[int, ...]], ended: int = 1000) -> list[Window]:
    """Windows with so many good requests of ``ended``, one for each block."""
    return [
        window(stack=stack, users=users, block=block, good=count, ok=ended)
        for (stack, users), counts in good.items()
        for block, count in enumerate(counts, start=1)
    ]


def test_cost_per_million_good_is_the_bill_over_the_good_requests(fargate: Tariff) -> None:
    """0.04937 USD/h x 6 s / 3600 / 1500 good x 10^6 = 0.0548555... USD."""
    windows = sweep({("flask", 40): (1000, 500)})
    assert usd_per_million_good(fargate, windows) == Fraction("0.04937") * 6 / 3600 * 10**6 / 1500
    (estimate,) = cost_estimates([fargate], windows, OBJECTIVE)
    assert estimate.usd_per_million_good == Decimal("0.054856")
    assert estimate.billed_size == "1 vCPU + 2 GiB"


def test_no_good_request_has_no_cost_and_not_zero(fargate: Tariff) -> None:
    windows = sweep({("flask", 40): (0, 0)})
    (estimate,) = cost_estimates([fargate], windows, OBJECTIVE)
    assert estimate.usd_per_million_good is None
    assert estimate.usd_per_million_good_lower is None
    assert any(note.startswith("no cost per million good") for note in estimate.notes)


def test_each_window_has_its_own_cost_for_the_comparison(fargate: Tariff) -> None:
    costs = usd_per_million_good_by_window(fargate, sweep({("flask", 40): (1000, 0)}))
    assert costs["b01-040-flask"] == pytest.approx(0.04937 * 3 / 3600 * 1000)
    assert costs["b02-040-flask"] is None


def test_the_interval_is_log_t_over_blocks(fargate: Tariff) -> None:
    """Oracle: mean and standard deviation of the logs by hand, around the cost of all windows together."""
    counts = (900, 1000, 1100, 1000)
    (estimate,) = cost_estimates([fargate], sweep({("flask", 40): counts}, ended=1100), OBJECTIVE)
    logs = [math.log(1 / count) for count in counts]
    mean = sum(logs) / 4
    half = float(t_quantile(3, 0.975)) * math.sqrt(sum((x - mean) ** 2 for x in logs) / 3) / 2
    pooled = 0.04937 * 12 / 3600 * 1e6 / 4000
    assert float(estimate.usd_per_million_good or 0) == pytest.approx(pooled, abs=1e-6)
    assert float(estimate.usd_per_million_good_lower or 0) == pytest.approx(pooled * math.exp(-half), abs=1e-6)
    assert float(estimate.usd_per_million_good_upper or 0) == pytest.approx(pooled * math.exp(half), abs=1e-6)


def test_one_block_has_no_interval(fargate: Tariff) -> None:
    (estimate,) = cost_estimates([fargate], sweep({("flask", 40): (900,)}), OBJECTIVE)
    assert estimate.usd_per_million_good is not None
    assert estimate.usd_per_million_good_lower is None


@pytest.mark.parametrize(
    ("held", "users", "reason"),
    [
        ({10: True, 20: True, 40: False}, 20, None),
        ({10: True, 20: False, 40: True}, 10, None),
        ({40: False, 10: True}, 10, None),
        ({10: True, 20: True}, None, "no tested level up to 20 users breaks the objective"),
        ({10: False, 20: True}, None, "the lowest tested level, 10 users, misses the objective"),
        ({}, None, "no level was measured"),
    ],
)
def test_a_replica_is_filled_to_the_last_level_before_the_first_miss(
    held: dict[int, bool], users: int | None, reason: str | None
) -> None:
    level = held_level(held)
    assert (level.users, level.reason) == (users, reason)


@pytest.mark.parametrize(
    ("held", "users", "reason"),
    [
        ({10: True, 30: False}, None, "no window of 20 users counts, and 30 users break the objective"),
        ({10: True, 20: False}, 10, None),
        ({20: True, 30: False}, None, "no window of 10 users counts, and 30 users break the objective"),
        ({10: True, 20: True}, None, "no tested level up to 20 users breaks the objective"),
    ],
)
def test_a_level_without_a_window_leaves_open_what_a_replica_holds_where_a_higher_one_breaks(
    held: dict[int, bool], users: int | None, reason: str | None
) -> None:
    level = held_level(held, planned=(10, 20, 30))
    assert (level.users, level.reason) == (users, reason)


@pytest.mark.parametrize(("good", "held"), [(950, True), (949, False), (1000, True)])
def test_the_objective_holds_at_exactly_its_ratio(good: int, held: bool) -> None:
    assert objective_held([window(good=good, ok=990, failed=10)], OBJECTIVE) is held


def test_a_level_where_nothing_ended_does_not_hold() -> None:
    assert objective_held([window(good=0)], OBJECTIVE) is False


@pytest.mark.parametrize(
    ("users", "level", "ran", "needed"),
    [(1, 40, 1, 1), (40, 40, 1, 1), (41, 40, 1, 2), (400, 40, 1, 10), (90, 40, 2, 5)],
)
def test_replicas_are_whole(users: int, level: int, ran: int, needed: int) -> None:
    assert replicas_needed(users, level, ran) == needed


def test_an_hour_costs_whole_replicas(fargate: Tariff) -> None:
    windows = sweep({("flask", 20): (1000,), ("flask", 40): (990,), ("flask", 90): (100,)})
    estimates = {e.users: e for e in cost_estimates([fargate], windows, OBJECTIVE)}
    assert {u: e.usd_per_hour_at_users for u, e in estimates.items()} == {
        20: Decimal("0.049370"),
        40: Decimal("0.049370"),
        90: Decimal("0.148110"),
    }
    assert estimates[90].replicas_at_users == 3
    assert estimates[90].users_per_replica == 40


def test_an_hour_billed_by_request_adds_the_fees_of_the_users_served(cloud_run: Tariff) -> None:
    """At 40 users 1000 requests in 3 s: 90 users send 2.25 times as many, for 3600 s."""
    windows = sweep({("flask", 40): (990,), ("flask", 90): (100,)})
    hourly = {e.users: e.usd_per_hour_at_users for e in cost_estimates([cloud_run], windows, OBJECTIVE)}
    fees = 1000 * 2.25 * 1200 * 0.4e-6
    assert float(hourly[90] or 0) == pytest.approx(3 * 0.1044 + fees, abs=1e-6)


def test_an_hour_is_absent_with_its_reason_where_nothing_breaks_the_objective(fargate: Tariff) -> None:
    (estimate,) = cost_estimates([fargate], sweep({("fastapi", 40): (1000,)}), OBJECTIVE)
    assert estimate.usd_per_hour_at_users is None
    assert estimate.users_per_replica is None
    assert estimate.replicas_at_users is None
    assert "no cost per hour: no tested level up to 40 users breaks the objective" in estimate.notes


def test_each_block_fills_replicas_to_its_own_level(fargate: Tariff) -> None:
    windows = sweep({("flask", 20): (1000, 1000, 1000), ("flask", 40): (1000, 900, 1000), ("flask", 80): (10, 10, 999)})
    costs = usd_per_hour_by_block(fargate, windows, OBJECTIVE)
    assert costs[1, "flask", 80] == pytest.approx(2 * 0.04937)
    assert costs[2, "flask", 80] == pytest.approx(4 * 0.04937)
    assert costs[3, "flask", 80] is None


def test_a_block_without_a_level_under_the_breaking_one_fills_no_replica(fargate: Tariff) -> None:
    """Filled to 20 because 40 is missing, it would take four replicas where every whole block takes two."""
    whole = sweep({("flask", 20): (1000, 1000), ("flask", 40): (1000, 1000), ("flask", 80): (10, 10)})
    holed = [one for one in whole if (one.block, one.users) != (2, 40)]
    costs = usd_per_hour_by_block(fargate, holed, OBJECTIVE, (20, 40, 80))
    assert costs[1, "flask", 80] == pytest.approx(2 * 0.04937)
    assert (costs[2, "flask", 20], costs[2, "flask", 80]) == (None, None)


def test_a_level_that_is_missing_above_the_breaking_one_changes_nothing(fargate: Tariff) -> None:
    whole = sweep({("flask", 20): (1000, 1000), ("flask", 40): (10, 10), ("flask", 80): (10, 10)})
    holed = [one for one in whole if (one.block, one.users) != (2, 80)]
    costs = usd_per_hour_by_block(fargate, holed, OBJECTIVE, (20, 40, 80))
    assert costs[2, "flask", 40] == costs[1, "flask", 40] == pytest.approx(2 * 0.04937)


def test_estimates_cover_every_tariff_stack_and_level_once(fargate: Tariff, cloud_run: Tariff) -> None:
    windows = sweep({(stack, users): (900, 910) for stack in ("flask", "fastapi") for users in (20, 40)})
    got = [(e.list, e.stack, e.users) for e in cost_estimates([fargate, cloud_run], windows, OBJECTIVE)]
    assert got == [
        (list_id, stack, users)
        for list_id in ("aws-fargate-x86", "cloud-run-request")
        for stack in ("flask", "fastapi")
        for users in (20, 40)
    ]


def test_a_fixed_price_ratio_is_called_what_it_is(fargate: Tariff, cloud_run: Tariff) -> None:
    windows = sweep({("flask", 40): (900,), ("fastapi", 40): (1000,)})
    assert is_inverse_throughput(fargate, windows)
    assert all(e.is_inverse_throughput for e in cost_estimates([fargate], windows, OBJECTIVE))
    assert not is_inverse_throughput(cloud_run, [*windows, window(stack="flask", users=50, good=10)])
    assert not is_inverse_throughput(fargate, windows[:1])


def test_two_replicas_that_ran_are_two_replicas_billed() -> None:
    pair = make_tariff(load_price_list("aws-fargate-x86"), "provisioned", RESOURCES)
    windows = [replace(one, replicas=2) for one in sweep({("flask", 40): (990,), ("flask", 90): (100,)})]
    assert usd_per_million_good(pair, windows[:1]) == Fraction("0.09874") * 3 / 3600 * 10**6 / 990
    estimate = cost_estimates([pair], windows, OBJECTIVE)[1]
    assert (estimate.users_per_replica, estimate.replicas_at_users) == (20, 5)
    assert estimate.usd_per_hour_at_users == Decimal("0.246850")
