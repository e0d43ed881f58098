"""Where each request has an environment to itself the bill is of the time it takes alone, whatever the users do."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from builders import make_experiment
from builders_cost import demand, window
from builders_stats import descriptions, make_run, make_windows, plan_of
from loadlab.analysis.alone import NOT_MEASURED, AloneBill, alone_bills, constant_ratio
from loadlab.analysis.analyse import think_s_of
from loadlab.analysis.assessment import Assessment, assess
from loadlab.analysis.billing import Tariff, make_tariff
from loadlab.analysis.bills import priced_figures
from loadlab.analysis.cost import cost_estimates
from loadlab.analysis.summarise import judge
from loadlab.config.prices import load_price_list
from loadlab.model.experiment import Experiment, Objective, PriceRef, Resources
from loadlab.model.result import CostEstimate
from loadlab.model.run import Demand

OBJECTIVE = Objective(latency_s=1.0, good_ratio=0.95)
LEVELS = (37, 44, 50, 58, 70)
GIB_S, FEE = Fraction("0.0000166667"), Fraction("0.2") / 10**6
LAMBDA = PriceRef(list_id="aws-lambda-x86", billing="per_request_memory")


@pytest.fixture(scope="module")
def tariff() -> Tariff:
    return make_tariff(load_price_list(LAMBDA.list_id), LAMBDA.billing, Resources())


def _demand(stack: str, service_s: float, sd_s: float | None = 0.001, requests: int = 24) -> Demand:
    return replace(demand(stack=stack, service_s=service_s), service_sd_s=sd_s, service_requests=requests)


def _time_error(bill: AloneBill) -> float:
    """Of the time of its requests, in their cost."""
    return bill.time_share * (bill.service_error or 0.0)


def _costs(tariff: Tariff, *demands: Demand, think_s: float = 0.0) -> dict[tuple[str, int], CostEstimate]:
    windows = [
        window(stack=stack, users=users, good=good, ok=1000)
        for stack in ("flask", "fastapi")
        for users, good in ((40, 1000), (90, 400))
    ]
    found = cost_estimates([tariff], windows, OBJECTIVE, demands, think_s)
    return {(one.stack, one.users): one for one in found}


def test_an_hour_of_users_that_wait_unknown_times_has_no_price_and_a_request_has(tariff: Tariff) -> None:
    waiting = [replace(_demand(stack, 0.2), own_waits=("Shopper",)) for stack in ("flask", "fastapi")]
    unknown = _costs(tariff, *waiting)["flask", 40]
    known = _costs(tariff, *(replace(one, think_s=0.6) for one in waiting))["flask", 40]
    asked = _costs(tariff, _demand("flask", 0.2), _demand("fastapi", 0.2), think_s=0.6)["flask", 40]
    assert unknown.usd_per_hour_at_users is None
    assert unknown.usd_per_million_good == known.usd_per_million_good is not None
    assert known.usd_per_hour_at_users == asked.usd_per_hour_at_users is not None
    bills = alone_bills(tariff, waiting, OBJECTIVE, 0.0)
    assert constant_ratio(bills, ("flask", "fastapi"), "usd_per_hour_at_users") is None


def test_a_million_requests_cost_their_time_alone_times_memory_and_the_fee(tariff: Tariff) -> None:
    """By hand: 201.3 ms count as 202 ms x 2 GiB x 0.0000166667 + 0.0000002 USD = 6.9333468 USD per million."""
    costs = _costs(tariff, _demand("flask", 0.2013), _demand("fastapi", 0.2))
    assert (Fraction("0.202") * 2 * GIB_S + FEE) * 10**6 == Fraction("6.9333468")
    for users in (40, 90):
        assert costs["flask", users].usd_per_million_good == Decimal("6.933347")
        assert costs["fastapi", users].usd_per_million_good == Decimal("6.866680")
        assert costs["flask", users].users_per_replica is None


def test_each_request_is_rounded_up_and_not_their_mean(tariff: Tariff) -> None:
    """Means of 1.99 and 2.01 ms are billed as 2 and 3 ms by themselves; requests around them as 2.4 and 2.6 ms."""
    flask = replace(_demand("flask", 0.00201), service_ceil_s=0.0026)
    fastapi = replace(_demand("fastapi", 0.00199), service_ceil_s=0.0024)
    costs = _costs(tariff, flask, fastapi)
    for stack, held in (("flask", "0.0026"), ("fastapi", "0.0024")):
        wanted = (Fraction(held) * 2 * GIB_S + FEE) * 10**6
        found = costs[stack, 40].usd_per_million_good
        assert found is not None
        assert float(found) == pytest.approx(float(wanted), abs=1e-6)


def test_requests_that_are_not_good_are_paid_for_by_those_that_are(tariff: Tariff) -> None:
    """Of 24 alone 18 were good: a million good ones cost what 4/3 million requests cost, an hour has no price."""
    flask = replace(_demand("flask", 0.2), good_requests=18, ended_requests=24)
    costs = _costs(tariff, flask, replace(_demand("fastapi", 0.2), good_requests=24, ended_requests=24))
    found = costs["flask", 40].usd_per_million_good
    assert found is not None
    assert float(found) == pytest.approx(6.8666800 * 4 / 3, abs=1e-6)
    assert costs["flask", 40].usd_per_hour_at_users is None
    assert costs["flask", 40].notes[-1] == "no cost: alone 75 % of requests are good"
    assert costs["fastapi", 40].usd_per_hour_at_users is not None
    others = replace(flask, stack="fastapi", good_requests=24, service_sd_s=0.0)
    bills = alone_bills(tariff, [flask, others], OBJECTIVE, 0.0)
    ratio = constant_ratio(bills, ("flask", "fastapi"), "cost_per_million_good")
    assert ratio is not None
    assert ratio.estimate(0.95).value == pytest.approx(4 / 3)
    assert ratio.first.error == pytest.approx(math.hypot(math.sqrt(0.25 / (0.75 * 24)), _time_error(bills["flask"])))
    assert constant_ratio(bills, ("flask", "fastapi"), "usd_per_hour_at_users") is None


def test_a_mean_within_the_objective_is_no_good_request(tariff: Tariff) -> None:
    none = _costs(tariff, replace(_demand("flask", 0.2), good_requests=0, ended_requests=24))
    assert none["flask", 40].usd_per_million_good is None


def test_an_hour_costs_what_the_users_send_in_it(tariff: Tariff) -> None:
    """By hand: one user with 200 ms and 300 ms of thinking sends 7200 requests an hour, 90 users send 648 000."""
    costs = _costs(tariff, _demand("flask", 0.2), _demand("fastapi", 0.2), think_s=0.3)
    assert costs["flask", 90].usd_per_hour_at_users == Decimal("4.449609")
    assert Fraction("6.8666800") * 648_000 / 10**6 == Fraction("4.44960864")


def test_what_was_not_measured_or_is_too_slow_alone_has_no_cost_and_says_why(tariff: Tariff) -> None:
    costs = _costs(tariff, _demand("flask", 1.2))
    assert costs["flask", 40].usd_per_million_good is None
    assert costs["flask", 40].notes[-1] == "no cost: a request alone takes longer than the objective allows, or fails"
    assert costs["fastapi", 40].usd_per_hour_at_users is None
    assert costs["fastapi", 40].notes[-1] == f"no cost: {NOT_MEASURED}"


def _assess(one: Demand, two: Demand, asked: Experiment | None = None) -> Assessment:
    """A pool that parts at 52.8 users on any shared replica, under per-request memory billing."""
    asked = asked or make_experiment(users=LEVELS, prices=(LAMBDA,))
    windows = make_windows(lambda users: max(1.0, users / 48), levels=LEVELS)
    run = replace(make_run(windows), demands=(one, two))
    judged = judge(run, asked)
    tariff = make_tariff(load_price_list(LAMBDA.list_id), LAMBDA.billing, asked.resources)
    bills = priced_figures((tariff,), run, judged, asked.objective, think_s_of(asked))
    return assess(asked, plan_of(windows), run, judged, bills, descriptions())


def test_the_queue_in_front_of_a_pool_is_in_no_such_bill() -> None:
    """Goodput parts between 50 and 58 users; this bill does not, at any number of users."""
    found = _assess(_demand("pool", 0.202), _demand("loop", 0.2))
    by_goodput = next(curve for curve in found.brackets if curve.statistic == "goodput")
    assert (by_goodput.bracket.lower_users, by_goodput.bracket.upper_users) == (50, 58)
    assert (found.bracket.kind, found.bracket.lower_users, found.bracket.upper_users) == ("no_divergence", None, None)
    assert found.brackets[0].constant_ratio is not None
    assert found.brackets[0].constant_ratio.value == pytest.approx(6.9333468 / 6.86668, rel=1e-6)
    assert [c for c in found.comparisons if c.billing == "per_request_memory"] == []
    assert found.claim.answer == "refuted_later"
    assert found.verdict.kind == "no_divergence"
    assert found.verdict.answer.startswith(
        "At no number of concurrent users does pool cost more than 1.10x what loop costs per million good requests "
        "on aws-lambda-x86 (per request memory): 1.010x at any number of users ("
    )


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (_demand("pool", 0.26), "no number of users parts the curves, but they are not surely within the margin"),
        (_demand("pool", 0.21, sd_s=0.1), "not surely within the margin"),
        (_demand("pool", 0.2, sd_s=None), "the scatter of the 24 requests behind it was not recorded"),
    ],
)
def test_doubt_about_the_constant_ratio_is_inconclusive_and_never_a_winner(one: Demand, reason: str) -> None:
    found = _assess(one, _demand("loop", 0.2))
    assert (found.bracket.kind, found.claim.answer) == ("inconclusive", "inconclusive")
    assert reason in (found.bracket.reason or "")


def test_without_a_measured_demand_nothing_is_said_of_it() -> None:
    asked = make_experiment(users=LEVELS, prices=(LAMBDA,))
    run = make_run(make_windows(lambda _: 1.0, levels=LEVELS))
    judged = judge(run, asked)
    tariff = make_tariff(load_price_list(LAMBDA.list_id), LAMBDA.billing, asked.resources)
    per_request, per_hour = priced_figures((tariff,), run, judged, asked.objective)
    assert per_request.constant is None
    assert per_hour.constant is None
    assert "pool: the time of a request alone was not measured" in (per_request.note or "")


def test_the_interval_of_the_constant_ratio_covers_as_often_as_it_says(tariff: Tariff) -> None:
    """2000 simulated pairs of 24 exponential-tailed requests each; truth is the ratio of the mean bills."""
    rng = np.random.default_rng(8)
    truth = (0.25 * 2 * float(GIB_S) + float(FEE)) / (0.2 * 2 * float(GIB_S) + float(FEE))
    hits = 0
    for _ in range(2000):
        ours = []
        for stack, mean_s in (("flask", 0.25), ("fastapi", 0.2)):
            taken_s = mean_s * (0.5 + 0.5 * rng.gamma(4, 0.25, 24))
            ours.append(_demand(stack, round(float(taken_s.mean()), 6), float(taken_s.std(ddof=1))))
        ratio = constant_ratio(alone_bills(tariff, ours, OBJECTIVE, 0.0), ("flask", "fastapi"), "cost_per_million_good")
        assert ratio is not None
        interval = ratio.estimate(0.95).interval
        assert interval is not None
        hits += interval.lower <= truth <= interval.upper
    assert stats.binomtest(hits, 2000, 0.95).pvalue > 1e-3


def test_an_hour_of_slower_requests_costs_the_same_but_for_the_fee(tariff: Tariff) -> None:
    """Without thinking a user always holds one environment: only the fees of more requests differ."""
    bills = alone_bills(tariff, (_demand("flask", 0.4), _demand("fastapi", 0.2)), OBJECTIVE, 0.0)
    ratio = constant_ratio(bills, ("flask", "fastapi"), "usd_per_hour_at_users")
    assert ratio is not None
    held = 3600 * 2 * float(GIB_S)
    assert ratio.estimate(0.95).value == pytest.approx((held + 9000 * float(FEE)) / (held + 18000 * float(FEE)))
    assert math.isclose(
        ratio.first.error, (bills["flask"].cycle_share - bills["flask"].time_share) * 0.001 / math.sqrt(24) / 0.4
    )


def test_a_demand_that_was_measured_in_doubt_bills_nothing(tariff: Tariff) -> None:
    doubted = replace(_demand("flask", 0.2), doubts=("lag",))
    costs = _costs(tariff, doubted, _demand("fastapi", 0.2))
    assert costs["flask", 40].usd_per_million_good is None
    assert any("in a window that passed its gates" in note for note in costs["flask", 40].notes)
    assert costs["fastapi", 40].usd_per_million_good is not None
    assert constant_ratio(alone_bills(tariff, (doubted,), OBJECTIVE, 0.0), ("flask", "fastapi"), "goodput") is None
