"""The bracket under a price list: bills, curves and verdict out of one set of windows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from builders import make_experiment
from builders_stats import descriptions, level, make_run, make_windows, plan_of
from loadlab.analysis.assessment import assess
from loadlab.analysis.billing import make_tariff
from loadlab.analysis.bills import priced_figures
from loadlab.analysis.summarise import judge
from loadlab.model.experiment import Resources
from loadlab.model.price import PriceList, Provisioned

LEVELS = (37, 44, 50, 58, 70)
PRICE = PriceList(
    id="example",
    title="Example",
    region="nowhere",
    as_of="2026-01-01",
    source="a test",
    confidence="high",
    billing=(Provisioned(usd_per_vcpu_hour=Decimal("0.04"), usd_per_gib_hour=Decimal("0.004")),),
)
TARIFF = make_tariff(PRICE, "provisioned", Resources())


def test_one_fixed_deployment_costs_the_inverse_of_goodput_and_the_verdict_says_so() -> None:
    asked = make_experiment(users=LEVELS)
    windows = make_windows(lambda users: max(1.0, users / 48), levels=LEVELS)
    run = make_run(windows)
    judged = judge(run, asked)
    found = assess(
        asked, plan_of(windows), run, judged, priced_figures((TARIFF,), run, judged, asked.objective), descriptions()
    )
    assert (found.brackets[0].statistic, found.brackets[0].list) == ("cost_per_million_good", "example")
    assert found.brackets[0].is_inverse_throughput
    assert (found.bracket.lower_users, found.bracket.upper_users) == (50, 58)
    assert "on example (provisioned, prices cancel)" in found.verdict.sentence
    by_statistic = {(c.statistic, c.users): c.ratio for c in found.comparisons}
    for users in LEVELS:
        assert by_statistic["cost_per_million_good", users] == pytest.approx(by_statistic["goodput", users])
    assert found.aa.fired is False


def test_dollars_per_hour_are_absent_with_their_reason_while_no_level_breaks_the_objective() -> None:
    asked = make_experiment(users=LEVELS)
    asked = replace(asked, decision=replace(asked.decision, statistic="usd_per_hour_at_users"))
    windows = make_windows(level(1.0), levels=LEVELS)
    run = make_run(windows)
    judged = judge(run, asked)
    bills = priced_figures((TARIFF,), run, judged, asked.objective)
    found = assess(asked, plan_of(windows), run, judged, bills, descriptions())
    assert found.verdict.kind == "inconclusive"
    assert "no tested level up to 70 users breaks the objective" in found.verdict.sentence
    assert [c for c in found.comparisons if c.statistic == "usd_per_hour_at_users"] == []
