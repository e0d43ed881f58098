from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from builders_stats import goodput_experiment, make_run, make_windows
from loadlab.analysis.compare import Curve, Figures, comparisons, make_curve, plain_figures
from loadlab.analysis.summarise import Judged, judge
from loadlab.model.experiment import Statistic
from loadlab.stats.bracket import Sides, find_bracket
from loadlab.stats.paired import ratio_estimate

STACKS = ("pool", "loop")


def _judged(sd_log: float = 0.02, blocks: int = 6) -> Judged:
    windows = make_windows(lambda users: max(1.0, users / 40), blocks=blocks, sd_log=sd_log)
    return judge(make_run(windows), goodput_experiment())


def _curve(judged: Judged, statistic: Statistic) -> Curve:
    figures = next(f for f in plain_figures(judged.windows) if f.statistic == statistic)
    return make_curve(figures, judged.pairs, STACKS, judged.windows)


def test_goodput_is_turned_over_so_that_above_one_is_dearer() -> None:
    curve = _curve(_judged(sd_log=0.0), "goodput")
    assert curve.users == (30, 36, 43, 52, 62)
    for row in curve.log_ratios:
        assert row[0] == pytest.approx(0.0, abs=1e-5)
        assert row[4] == pytest.approx(math.log(62 / 40), abs=1e-5)


def test_comparisons_carry_the_paired_t_interval_and_the_bounds_that_decide() -> None:
    curve = _curve(_judged(), "goodput")
    answer = find_bracket(curve.users, curve.log_ratios, margin_ratio=0.10)
    found = comparisons(curve, answer)
    for index, comparison in enumerate(found):
        own = ratio_estimate(curve.column(index))
        assert own is not None
        assert own.interval is not None
        assert comparison.ratio == pytest.approx(own.value)
        assert comparison.lower_ratio == pytest.approx(own.interval.lower)
        assert comparison.decision_lower_ratio == pytest.approx(math.exp(answer.levels[index].lower_log or math.nan))
        assert (comparison.blocks, comparison.missing, comparison.repeats, comparison.valid) == (6, 0, 0, True)


def test_a_figure_that_is_absent_or_zero_makes_its_pair_missing() -> None:
    judged = _judged(blocks=4)
    values: dict[str, Decimal | float | None] = {w.id: Decimal("2.5") for w in judged.windows}
    values["b01-030-pool"] = None
    values["b02-030-loop"] = Decimal(0)
    curve = make_curve(
        Figures(statistic="cost_per_million_good", by_window=values), judged.pairs, STACKS, judged.windows
    )
    assert [row[0] for row in curve.log_ratios] == [None, None, 0.0, 0.0]
    assert [curve.valid(level) for level in range(5)] == [False, True, True, True, True]
    assert curve.absent == (2, 0, 0, 0, 0)
    answer = find_bracket(curve.users, curve.log_ratios, margin_ratio=0.10)
    assert [(c.blocks, c.missing, c.valid) for c in comparisons(curve, answer)][:2] == [(2, 2, False), (4, 0, True)]


def test_figures_of_whole_blocks_are_paired_by_block_and_bounded_by_ranks() -> None:
    judged = _judged(blocks=8)
    hourly: dict[tuple[int, str, int], Decimal | float | None] = {
        (block, stack, users): Decimal("0.12") if stack == "pool" and users > 43 else Decimal("0.06")
        for block in range(1, 9)
        for stack in STACKS
        for users in (30, 36, 43, 52, 62)
    }
    curve = make_curve(
        Figures(statistic="usd_per_hour_at_users", by_block=hourly), judged.pairs, STACKS, judged.windows
    )
    assert curve.figures.method == "sign"
    answer = find_bracket(curve.users, curve.log_ratios, margin_ratio=0.10, method="sign")
    assert (answer.lower_users, answer.upper_users) == (43, 52)
    last = comparisons(curve, answer)[-1]
    assert (last.ratio, last.lower_ratio, last.upper_ratio) == pytest.approx((2.0, 2.0, 2.0))


def test_a_level_without_any_pair_falls_out_instead_of_showing_a_ratio() -> None:
    judged = _judged()
    memory = Figures(statistic="memory", by_window={w.id: None for w in judged.windows})
    curve = make_curve(memory, judged.pairs, STACKS, judged.windows)
    assert comparisons(curve, find_bracket(curve.users, curve.log_ratios, margin_ratio=0.10)) == ()


@pytest.mark.parametrize(
    ("silent", "endless"),
    [
        (("b01-030-pool",), Sides(first=True)),
        (("b02-030-loop",), Sides(second=True)),
        (("b01-030-pool", "b02-030-loop"), Sides(first=True, second=True)),
        (("b01-030-pool", "b01-030-loop"), Sides()),
        ((), Sides()),
    ],
)
def test_a_stack_without_a_good_request_is_endlessly_dear_where_the_other_has_some(
    silent: tuple[str, ...], endless: Sides
) -> None:
    judged = _judged()
    windows = [replace(w, good=0, goodput_rps=0.0) if w.id in silent else w for w in judged.windows]
    for figures in plain_figures(windows):
        curve = make_curve(figures, judged.pairs, STACKS, windows)
        assert curve.endless == ((endless, *[Sides()] * 4) if figures.statistic == "goodput" else ())


def test_repeats_are_counted_by_window() -> None:
    judged = _judged()
    pairs = [replace(p, repeated=p.block == 1 and p.users == 36) for p in judged.pairs]
    goodput = next(f for f in plain_figures(judged.windows) if f.statistic == "goodput")
    assert make_curve(goodput, pairs, STACKS, judged.windows).repeats == (0, 2, 0, 0, 0)
