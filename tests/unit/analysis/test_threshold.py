from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from loadlab.analysis.compare import Curve, Figures
from loadlab.analysis.threshold import judge_claim, judge_curve
from loadlab.model.experiment import DecisionRule
from loadlab.model.result import Bracket, VerdictKind
from loadlab.stats.bracket import Sides

RULE = DecisionRule(margin_ratio=0.10, claimed_users=50)
LEVELS = (30, 36, 43, 52, 62)


def _curve(ratios: list[float], blocks: int = 8, sd: float = 0.01, missing: dict[int, int] | None = None) -> Curve:
    """``missing``: level index to how many of its pairs are missing."""
    noise = np.random.default_rng(2).normal(0, sd, size=(blocks, len(ratios)))
    rows = [
        tuple(None if block < (missing or {}).get(i, 0) else float(v) for i, v in enumerate(row))
        for block, row in enumerate(np.log(ratios) + noise)
    ]
    return Curve(
        figures=Figures(statistic="goodput", by_window={}),
        users=LEVELS,
        log_ratios=tuple(rows),
        repeats=(0,) * 5,
        stages=(1,) * 5,
        planned=(blocks,) * 5,
    )


def _bracket(lower: int | None, upper: int | None, kind: VerdictKind = "diverges") -> Bracket:
    return Bracket(lower_users=lower, upper_users=upper, kind=kind)


@pytest.mark.parametrize(
    ("lower", "upper", "answer"),
    [
        (48, 58, "supported"),
        (49, 50, "supported"),
        (50, 58, "refuted_later"),
        (60, None, "refuted_later"),
        (30, 49, "refuted_earlier"),
        (None, 49, "refuted_earlier"),
        (40, 60, "supported"),
        (40, 61, "inconclusive"),
        (None, 50, "inconclusive"),
        (49, None, "inconclusive"),
        (None, None, "inconclusive"),
    ],
)
def test_what_a_bracket_says_of_a_claim_of_fifty(lower: int | None, upper: int | None, answer: str) -> None:
    assert judge_claim(50, _bracket(lower, upper)).answer == answer


def test_doubt_in_the_run_or_the_bracket_never_supports_nor_refutes() -> None:
    assert judge_claim(50, _bracket(48, 58), trusted=False).answer == "inconclusive"
    assert judge_claim(50, _bracket(20, 30), trusted=False).answer == "inconclusive"
    assert judge_claim(50, _bracket(48, 58, "invalid")).answer == "invalid"
    assert judge_claim(None, _bracket(48, 58)).answer is None


def test_a_clear_curve_has_its_bracket_an_estimate_and_no_findings() -> None:
    found = judge_curve(_curve([1.0, 1.0, 1.0, 1.2, 1.4]), RULE)
    bracket = found.bracket.bracket
    assert (bracket.kind, bracket.lower_users, bracket.upper_users) == ("diverges", 43, 52)
    assert bracket.estimate_users is not None
    assert 43 < bracket.estimate_users < 52
    assert found.findings == ()
    assert len(found.comparisons) == 5


def test_a_bracket_that_ends_on_a_level_with_too_many_missing_pairs_is_invalid() -> None:
    """Two of eight may be missing, three may not."""
    ratios = [1.0, 1.0, 1.0, 1.3, 1.5]
    assert judge_curve(_curve(ratios, missing={3: 2}), RULE).bracket.bracket.kind == "diverges"
    found = judge_curve(_curve(ratios, missing={3: 3}), RULE)
    assert found.bracket.bracket.kind == "invalid"
    assert "52 users" in (found.bracket.bracket.reason or "")
    assert [(f.code, f.level) for f in found.findings] == [
        ("level_invalid", "warning"),
        ("bracket_end_invalid", "invalid"),
    ]


def test_an_invalid_level_that_is_no_end_of_the_bracket_is_told_and_harms_nothing() -> None:
    found = judge_curve(_curve([1.0, 1.0, 1.0, 1.3, 1.5], missing={0: 3}), RULE)
    assert found.bracket.bracket.kind == "diverges"
    assert [(f.code, f.where) for f in found.findings] == [("level_invalid", "users=30")]


def test_windows_that_count_and_have_no_figure_are_told_from_those_that_a_gate_refused() -> None:
    curve = _curve([1.0, 1.0, 1.0, 1.3, 1.5], missing={4: 4})
    (refused,) = judge_curve(curve, RULE).findings
    assert (refused.got, refused.next_step) == (
        "4 of 8 pairs missing",
        "see which gate the level's windows failed, or leave the level out",
    )
    (both,) = judge_curve(replace(curve, absent=(0, 0, 0, 0, 3)), RULE).findings
    assert both.got == "4 of 8 pairs missing, 3 for want of a figure in windows that count (no request was good)"
    assert both.next_step == refused.next_step
    (none_good,) = judge_curve(replace(curve, absent=(0, 0, 0, 0, 4)), RULE).findings
    assert none_good.next_step == "see what was answered there, and objective.latency_s, or leave the level out"
    lost = _curve([1.0, 1.0, 1.0, 1.3, 1.5], missing={3: 8, 4: 8})
    reason = judge_curve(replace(lost, absent=(0, 0, 0, 8, 8)), RULE).bracket.bracket.reason
    assert reason is not None
    assert reason.endswith(
        "52, 62 users decide neither way (fewer than 2 pairs count at 52, 62 users: no request was good)"
    )
    nothing = _curve([1.0] * 5, blocks=2, missing=dict.fromkeys(range(5), 2))
    bracket = judge_curve(replace(nothing, absent=(2,) * 5), RULE).bracket.bracket
    assert (bracket.reason or "").endswith("an interval needs 2 (no request was good)")


def test_an_open_bracket_says_which_levels_straddle_and_what_would_settle_them() -> None:
    bracket = judge_curve(_curve([1.0, 1.0, 1.08, 1.12, 1.12], sd=0.06), RULE).bracket.bracket
    assert bracket.kind == "inconclusive"
    assert set(bracket.straddling) >= {43, 52}
    assert "43, 52, 62 users decide neither way" in (bracket.reason or "")
    assert "blocks" in (bracket.reason or "")


def test_a_curve_that_falls_back_and_a_lone_noisy_level_are_pointed_out() -> None:
    falling = judge_curve(_curve([1.0, 1.3, 1.0, 1.3, 1.5]), RULE)
    assert [(f.code, f.where) for f in falling.findings] == [("not_rising", "users=43")]
    noisy = _curve([1.0, 1.0, 1.0, 1.3, 1.5])
    rows = [[*row[:2], 10 * (row[2] or 0.0), *row[3:]] for row in noisy.log_ratios]
    found = judge_curve(replace(noisy, log_ratios=tuple(tuple(row) for row in rows)), RULE)
    assert [(f.code, f.where) for f in found.findings] == [("uneven_noise", "users=43")]


def test_blocks_without_spread_and_too_few_blocks_are_pointed_out() -> None:
    flat = judge_curve(_curve([1.0, 1.0, 1.0, 2.0, 2.0], sd=0.0), RULE)
    assert [f.code for f in flat.findings] == ["no_spread"]
    assert flat.bracket.bracket.upper_users == 52
    single = judge_curve(_curve([1.0, 1.0, 1.0, 2.0, 2.0], blocks=1), RULE)
    assert single.bracket.bracket.kind == "inconclusive"
    assert [f.code for f in single.findings] == ["few_blocks"]
    needs = "no level has more than 1 block with a figure for both stacks, and an interval needs 2"
    assert single.bracket.bracket.reason == needs
    noted = replace(_curve([1.0] * 5, blocks=1).figures, note="prices cancel", is_inverse_throughput=True)
    priced = judge_curve(replace(_curve([1.0] * 5, blocks=1), figures=noted), RULE)
    assert priced.bracket.bracket.reason == needs


def test_a_statistic_without_figures_says_why() -> None:
    figures = Figures(statistic="usd_per_hour_at_users", by_block={}, note="loop: no tested level breaks the objective")
    nothing = ((None,) * 5,) * 4
    curve = Curve(
        figures=figures, users=LEVELS, log_ratios=nothing, repeats=(0,) * 5, stages=(1,) * 5, planned=(4,) * 5
    )
    found = judge_curve(curve, RULE)
    assert found.bracket.bracket.kind == "inconclusive"
    assert "loop: no tested level breaks the objective" in (found.bracket.bracket.reason or "")
    assert found.comparisons == ()


def test_decision_bounds_are_those_of_the_declared_alpha() -> None:
    strict = judge_curve(_curve([1.0, 1.0, 1.0, 1.2, 1.4]), replace(RULE, alpha=0.0125)).comparisons[3]
    usual = judge_curve(_curve([1.0, 1.0, 1.0, 1.2, 1.4]), RULE).comparisons[3]
    assert (strict.decision_lower_ratio or math.inf) < (usual.decision_lower_ratio or 0.0)
    assert (strict.decision_upper_ratio or 0.0) > (usual.decision_upper_ratio or math.inf)


@pytest.mark.parametrize(
    ("ratios", "side", "without", "with_it"),
    [
        ([1.0] * 5, Sides(first=True), ("no_divergence", 62, None), ("inconclusive", 36, None)),
        ([1.0, 1.0, 1.5, 1.8, 2.0], Sides(second=True), ("diverges", 36, 43), ("diverges", 36, 52)),
    ],
)
def test_a_level_with_a_block_that_was_endlessly_dear_on_one_side_is_not_decided_by_the_rest(
    ratios: list[float],
    side: Sides,
    without: tuple[str, int | None, int | None],
    with_it: tuple[str, int | None, int | None],
) -> None:
    curve = _curve(ratios, missing={2: 1})
    told = [
        judge_curve(replace(curve, endless=endless), RULE).bracket.bracket
        for endless in ((Sides(),) * 5, (Sides(), Sides(), side, Sides(), Sides()))
    ]
    assert [(one.kind, one.lower_users, one.upper_users) for one in told] == [without, with_it]
    if told[1].kind == "inconclusive":
        assert told[1].reason is not None
        assert "in some blocks at 43 users no request of one stack was good, which has no price" in told[1].reason
