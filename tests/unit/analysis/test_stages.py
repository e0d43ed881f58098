"""Two stages are judged each by its own blocks, at half of alpha, and make one bracket."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from builders_stats import LOOP, POOL, goodput_experiment, make_run, make_windows, plan_of
from loadlab.analysis.analyse import analyse, first_bracket
from loadlab.analysis.compare import Figures, make_curve
from loadlab.analysis.stages import stages
from loadlab.analysis.summarise import judge
from loadlab.analysis.threshold import judge_curve
from loadlab.config.prices import load_price_lists
from loadlab.model.experiment import PriceRef, RefinePlan
from loadlab.model.plan import Refinement
from loadlab.model.result import Analysis
from loadlab.model.run import RunData, Window
from loadlab.stats.bracket import find_bracket
from loadlab.stats.level_bounds import level_bounds

COARSE, FINE, KNEE = (32, 45, 62, 87), (38, 51), 44.0
EXPERIMENT = replace(goodput_experiment(), refine=RefinePlan(levels=2, count=4))


def _ratio(users: int) -> float:
    """Passes the margin of 10 % on the second of the coarse levels."""
    return max(1.0, 1.10 * users / (KNEE * 1.02))


def _first() -> RunData:
    return make_run(make_windows(_ratio, levels=COARSE, blocks=6, sd_log=0.02))


def _both(fine: tuple[int, ...] = FINE) -> RunData:
    first = _first()
    later = make_windows(_ratio, levels=fine, blocks=4, sd_log=0.02, seed=2)
    moved = tuple(replace(w, id=f"b{w.block + 6:02d}{w.id[3:]}", block=w.block + 6) for w in later)
    plan = plan_of(moved)
    refinement = Refinement(outcome="refined", lower_users=32, upper_users=62, plan=plan)
    return replace(first, windows=(*first.windows, *moved), refinement=refinement)


def _analysis(run: RunData) -> Analysis:
    plan = replace(plan_of(_first().windows), refine=EXPERIMENT.refine)
    return analyse(EXPERIMENT, plan, run, {}, "")


def test_the_second_stage_narrows_what_the_first_leaves_wide() -> None:
    first, invalid = first_bracket(EXPERIMENT, _first(), {})
    assert invalid == ()
    assert (first.kind, first.lower_users, first.upper_users) == ("diverges", 32, 62)
    bracket = _analysis(_both()).bracket
    assert (bracket.kind, bracket.lower_users, bracket.upper_users) == ("diverges", 38, 51)


def test_no_block_misses_the_levels_of_the_other_stage() -> None:
    found = _analysis(_both())
    assert found.counts.missing_pairs == 0
    assert found.counts.invalid_levels == ()
    goodput = [c for c in found.comparisons if c.statistic == "goodput"]
    assert [(c.users, c.stage, c.blocks, c.missing) for c in goodput] == [
        *((32, 1, 6, 0), (38, 2, 4, 0), (45, 1, 6, 0), (51, 2, 4, 0), (62, 1, 6, 0), (87, 1, 6, 0)),
    ]


def test_each_stage_has_the_bounds_that_it_has_alone_at_half_of_alpha() -> None:
    run = _both()
    judged = judge(run, EXPERIMENT)
    goodput = Figures(statistic="goodput", by_window={w.id: 1 / w.goodput_rps for w in judged.windows})
    by_users = {c.users: c for c in _analysis(run).comparisons if c.statistic == "goodput"}
    for number, levels in ((1, COARSE), (2, FINE)):
        own = [pair for pair in judged.pairs if pair.stage == number]
        table = np.array(make_curve(goodput, own, (POOL, LOOP), judged.windows).log_ratios, dtype=float)
        alone = level_bounds(table, 0.0125)
        for place, users in enumerate(levels):
            assert by_users[users].decision_lower_ratio == pytest.approx(np.exp(alone.lower[place]))
            assert by_users[users].decision_upper_ratio == pytest.approx(np.exp(alone.upper[place]))


def test_the_control_is_judged_over_the_blocks_of_both_stages() -> None:
    found = _analysis(_both())
    assert found.aa.ratio is not None
    assert found.aa.ratio.n == 10
    assert found.aa.users == 32
    assert found.refined is not None
    assert found.refined.aa_users == 38


def test_a_level_of_the_second_stage_without_any_figure_is_unknown_and_stops_the_lower_end() -> None:
    judged = judge(_both(), EXPERIMENT)
    told = {w.id: 1 / w.goodput_rps for w in judged.windows if w.users != FINE[0]}
    curve = make_curve(Figures(statistic="goodput", by_window=told), judged.pairs, (POOL, LOOP), judged.windows)
    assert curve.users == tuple(sorted((*COARSE, *FINE)))
    found = judge_curve(curve, EXPERIMENT.decision, EXPERIMENT.stage_alpha)
    assert (found.bracket.bracket.lower_users, found.bracket.bracket.upper_users) == (32, 51)
    assert [(f.code, f.where) for f in found.findings if f.code == "level_invalid"] == [("level_invalid", "users=38")]


def test_a_level_of_the_second_stage_whose_windows_all_fail_a_gate_stops_the_lower_end() -> None:
    """Under at 35 and 40, every window refused at 38: nothing is known past 35, as in a run of one stage."""
    run = _both(fine=(35, 38, 40))
    refused = tuple(replace(w, notes=("the service fell",)) if w.users == 38 else w for w in run.windows)
    found = _analysis(replace(run, windows=refused))
    assert found.counts.invalid_levels == (38,)
    assert (found.bracket.kind, found.bracket.lower_users, found.bracket.upper_users) == ("diverges", 35, 62)
    assert 38 in found.bracket.straddling
    assert "users=38" in [f.where for f in found.findings if f.code == "level_invalid"]


def test_dollars_per_hour_have_the_levels_of_the_first_stage_alone_and_say_so() -> None:
    """The loop breaks the objective from 87 users on and the pool from 62 on, in the blocks of both stages."""
    run = _both()
    missed = tuple(_missing_the_objective(w) if w.users >= (62 if w.stack == POOL else 87) else w for w in run.windows)
    experiment = replace(EXPERIMENT, prices=(PriceRef(list_id="aws-fargate-x86", billing="provisioned"),))
    plan = replace(plan_of(_first().windows), refine=EXPERIMENT.refine)
    found = analyse(experiment, plan, replace(run, windows=missed), load_price_lists(), "")
    hourly = [c for c in found.comparisons if c.statistic == "usd_per_hour_at_users"]
    assert [(c.users, c.stage, c.missing) for c in hourly] == [(users, 1, 0) for users in COARSE]
    (bracket,) = (one for one in found.brackets if one.statistic == "usd_per_hour_at_users")
    assert bracket.note is not None
    assert bracket.note.startswith("at the levels of stage 1 alone")


def _missing_the_objective(window: Window) -> Window:
    return replace(window, load=replace(window.load, good=window.load.good // 2))


def test_a_level_of_the_second_stage_that_misses_many_pairs_is_invalid_by_its_own_blocks() -> None:
    run = _both()
    fewer = tuple(w for w in run.windows if not (w.users == 51 and w.block in (7, 8) and w.stack == LOOP))
    found = _analysis(replace(run, windows=fewer))
    assert found.counts.invalid_levels == (51,)
    assert found.counts.missing_pairs == 2
    assert (found.bracket.kind, found.bracket.lower_users, found.bracket.upper_users) == ("diverges", 38, 62)


def test_windows_are_of_the_stage_that_planned_their_block() -> None:
    (_, one), (_, two) = stages(_both())
    assert {w.block for w in one} == set(range(1, 7))
    assert {w.block for w in two} == set(range(7, 11))
    assert stages(_first()) == ((1, _first().windows),)


def _beyond(levels: tuple[int, ...], ratios: dict[int, float], sd_log: float, blocks: int = 4) -> RunData:
    """A first stage at the coarse levels, and a second one beyond them, at these ratios."""
    first = make_run(make_windows(ratios.__getitem__, levels=COARSE, blocks=6, sd_log=0.02))
    later = make_windows(ratios.__getitem__, levels=levels, blocks=blocks, sd_log=sd_log, seed=2)
    moved = tuple(replace(w, id=f"b{w.block + 6:02d}{w.id[3:]}", block=w.block + 6) for w in later)
    refinement = Refinement(outcome="extended", lower_users=87, upper_users=None, plan=plan_of(moved))
    return replace(first, windows=(*first.windows, *moved), refinement=refinement)


FLAT = dict.fromkeys(COARSE, 1.0)
HIGH = dict.fromkeys(COARSE, 1.5)


@pytest.mark.parametrize(
    ("ratios", "beyond", "kind", "ends", "words"),
    [
        (FLAT, {130: 1.5}, "diverges", (87, 130), "Above 87 and by 130 concurrent users"),
        (FLAT, {130: 1.1, 195: 1.0}, "no_divergence", (87, None), "Up to 87 concurrent users (undecided at 130), pool"),
        (
            HIGH,
            {14: 1.1, 21: 1.0},
            "diverged_at_first",
            (None, 32),
            "at 32 concurrent users (undecided at 14), pool",
        ),
        (FLAT, {130: 1.0}, "no_divergence", (130, None), "Up to 130 concurrent users, the highest level tested"),
        (
            FLAT,
            {130: 1.1},
            "no_divergence",
            (87, None),
            "Up to 87 concurrent users (undecided at 130), pool does not",
        ),
        (HIGH, {21: 1.0}, "diverges", (21, 32), "Above 21 and by 32 concurrent users"),
        (HIGH, {21: 1.5}, "diverged_at_first", (None, 21), "Already at 21 concurrent users, the lowest level tested"),
        (
            HIGH,
            {21: 1.1},
            "diverged_at_first",
            (None, 32),
            "Already at 32 concurrent users (undecided at 21), pool",
        ),
        (
            HIGH,
            {14: 1.1, 21: 1.5},
            "diverged_at_first",
            (None, 21),
            "Already at 21 concurrent users (undecided at 14), pool",
        ),
    ],
)
def test_a_level_beyond_adds_to_what_the_first_stage_said_and_takes_nothing_away(
    ratios: dict[int, float],
    beyond: dict[int, float],
    kind: str,
    ends: tuple[int | None, int | None],
    words: str,
) -> None:
    found = _analysis(_beyond(tuple(beyond), {**ratios, **beyond}, sd_log=0.02))
    assert (found.bracket.kind, found.bracket.lower_users, found.bracket.upper_users) == (kind, *ends)
    assert words in found.verdict.sentence
    assert f"at {ends[0] if kind == 'no_divergence' else ends[1]} users (" in found.verdict.sentence
    assert found.verdict.exit_code == 0


def test_a_straddler_below_the_first_stage_top_leaves_the_run_open_as_before() -> None:
    """The last coarse level and the one beyond straddle: neither stage has the answer."""
    found = _analysis(_beyond((130,), {**FLAT, 87: 1.1, 130: 1.1}, sd_log=0.02))
    assert (found.bracket.kind, found.bracket.lower_users) == ("inconclusive", 62)
    assert found.bracket.straddling == (87, 130)


def test_an_invalid_level_beyond_decides_nothing_and_spoils_nothing() -> None:
    """Half of its pairs are missing, and those that are there would call it dearer."""
    run = _beyond((130,), {**FLAT, 130: 1.5}, sd_log=0.02)
    refused = tuple(
        replace(w, notes=("the service fell",)) if w.users == 130 and w.block % 2 else w for w in run.windows
    )
    found = _analysis(replace(run, windows=refused))
    assert found.counts.invalid_levels == (130,)
    assert (found.bracket.kind, found.bracket.lower_users, found.bracket.upper_users) == ("no_divergence", 87, None)
    assert "Up to 87 concurrent users (undecided at 130), pool does not" in found.verdict.sentence
    assert re.search(r": 1\.0\d\dx at 87 users|: 0\.9\d\dx at 87 users", found.verdict.sentence)
    assert "users=130" in [f.where for f in found.findings if f.code == "level_invalid"]
    row = next(c for c in found.comparisons if c.users == 130 and c.statistic == "goodput")
    assert (row.blocks, row.decision_lower_ratio, row.decision_upper_ratio) == (2, None, None)


def test_another_curve_says_no_more_than_its_levels_do() -> None:
    """It did not choose the side: a level below that it does not decide stops its lower end, as its docs say."""
    noises, on_the_margin = (-0.02, 0.01, 0.02, -0.01), math.log(1.1)
    rows: list[list[float | None]] = [
        *([on_the_margin + noise, None, None] for noise in noises),
        *([None, noise, noise] for noise in noises),
    ]
    found = find_bracket((21, 32, 45), rows, margin_ratio=0.10, stages=(2, 1, 1))
    assert (found.kind, found.lower_users, found.upper_users) == ("inconclusive", None, None)
    above = [[*row[1:], row[0]] for row in rows]
    found = find_bracket((32, 45, 66), above, margin_ratio=0.10, stages=(1, 1, 2))
    assert (found.kind, found.lower_users, found.upper_users) == ("no_divergence", 45, None)
