from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from loadlab.stats.bracket import BracketAnswer, find_bracket

Rows = list[list[float | None]]
LEVELS = (20, 30, 40, 50, 60)


def _rows(ratios: list[float], blocks: int = 6, sd: float = 0.01, seed: int = 1) -> Rows:
    noise = np.random.default_rng(seed).normal(0, sd, size=(blocks, len(ratios)))
    return [[float(value) for value in row] for row in np.log(ratios) + noise]


def _find(rows: Rows, users: tuple[int, ...] = LEVELS, margin_ratio: float = 0.10) -> BracketAnswer:
    return find_bracket(users, rows, margin_ratio=margin_ratio)


@pytest.mark.parametrize(
    ("ratios", "kind", "lower", "upper"),
    [
        ([1.0, 1.0, 1.0, 1.3, 1.5], "diverges", 40, 50),
        ([1.3, 1.4, 1.5, 1.6, 1.7], "diverged_at_first", None, 20),
        ([1.0, 1.0, 1.0, 1.0, 1.0], "no_divergence", 60, None),
        ([1.0, 1.0, 1.0, 1.0, 1.1], "inconclusive", 50, None),
        ([1.1, 1.0, 1.0, 1.4, 1.5], "inconclusive", None, 50),
        ([1.0, 1.3, 1.0, 1.0, 1.0], "diverges", 20, 30),
    ],
)
def test_each_answer_of_the_method(ratios: list[float], kind: str, lower: int | None, upper: int | None) -> None:
    found = _find(_rows(ratios))
    assert (found.kind, found.lower_users, found.upper_users) == (kind, lower, upper)


def test_straddling_levels_are_named_with_the_blocks_that_would_settle_them() -> None:
    found = _find(_rows([1.0, 1.0, 1.105, 1.3, 1.5], seed=2))
    assert found.straddling == (40,)
    assert found.blocks_needed is None or found.blocks_needed > 6
    level = next(level for level in found.levels if level.users == 40)
    assert level.answer == "straddles"
    assert level.lower_log is not None
    assert level.upper_log is not None
    assert level.lower_log < math.log(1.1) < level.upper_log


def test_a_level_above_the_upper_end_that_decides_nothing_leaves_nothing_open() -> None:
    """Only 20 users keep the lower end open: what they need is told, whatever the levels past N_U lack."""
    rows = _rows([1.08, 1.0, 1.0, 1.4, 1.5], sd=0.03)
    whole = _find(rows)
    for row in rows[1:]:
        row[4] = None
    found = _find(rows)
    assert (found.kind, found.lower_users, found.upper_users) == ("inconclusive", None, 50)
    assert found.levels[4].answer == "unknown"
    assert found.straddling == whole.straddling == (20,)
    assert found.blocks_needed == whole.blocks_needed == found.levels[0].blocks_needed
    assert found.blocks_needed is not None


def test_a_curve_that_falls_back_is_said_to_do_so() -> None:
    assert _find(_rows([1.0, 1.3, 1.0, 1.0, 1.3])).back_under == (40, 50)


def test_the_variance_is_pooled_with_noisier_neighbours_by_hand() -> None:
    """Level 2 of 3, two blocks each: sums of squares .02, .0002 and .5 give 3 degrees of freedom."""
    rows: Rows = [[0.1, 0.01, 0.5], [-0.1, -0.01, -0.5]]
    middle = find_bracket((1, 2, 3), rows, margin_ratio=0.1).levels[1]
    sd = math.sqrt((0.02 + 0.0002 + 0.5) / 3)
    assert middle.sd_log == pytest.approx(sd)
    assert middle.lower_log == pytest.approx(-stats.t.ppf(1 - 0.025 / 3, 3) * sd / math.sqrt(2))
    assert middle.upper_log == pytest.approx(stats.t.ppf(0.975, 3) * sd / math.sqrt(2))


def test_a_level_noisier_than_its_neighbours_has_its_own_variance_and_degrees_of_freedom_by_hand() -> None:
    """Three blocks of .3, 0, -.3: variance .09 with 2 degrees of freedom, not the 6 of three levels."""
    rows: Rows = [[0.01, 0.3, 0.01], [0.0, 0.0, 0.0], [-0.01, -0.3, -0.01]]
    middle = find_bracket((1, 2, 3), rows, margin_ratio=0.1).levels[1]
    assert middle.sd_log == pytest.approx(0.3)
    assert middle.upper_log == pytest.approx(stats.t.ppf(0.975, 2) * 0.3 / math.sqrt(3))
    assert middle.lower_log == pytest.approx(-stats.t.ppf(1 - 0.025 / 3, 2) * 0.3 / math.sqrt(3))


def test_the_wider_of_both_bounds_counts_by_hand() -> None:
    """Own SD .1 with 2 degrees of freedom is wider than the pooled .1061 with 6, though the smaller deviation."""
    rows: Rows = [[0.11, 0.1, 0.108], [0.0, 0.0, 0.0], [-0.11, -0.1, -0.108]]
    middle = find_bracket((1, 2, 3), rows, margin_ratio=0.1).levels[1]
    assert middle.sd_log == pytest.approx(math.sqrt((0.0121 + 0.01 + 0.011664) / 3))
    assert middle.upper_log == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3))


@pytest.mark.parametrize("rows", [[], [[0.0] * 5], [[None] * 5] * 6])
def test_fewer_than_two_blocks_decide_nothing(rows: Rows) -> None:
    found = _find(rows)
    assert (found.kind, found.lower_users, found.upper_users, found.blocks_needed) == ("inconclusive", None, None, None)
    assert found.straddling == LEVELS


def test_a_level_without_pairs_stops_the_way_up_and_nothing_else() -> None:
    rows = _rows([1.0, 1.0, 1.0, 1.3, 1.5])
    for row in rows:
        row[1] = None
    found = _find(rows)
    assert (found.lower_users, found.upper_users) == (20, 50)
    assert [level.answer for level in found.levels] == ["under", "unknown", "under", "over", "over"]


@pytest.mark.parametrize(
    ("blocks", "kind"), [(2, "inconclusive"), (4, "inconclusive"), (7, "inconclusive"), (8, "diverges")]
)
def test_blocks_without_any_spread_count_by_their_number(blocks: int, kind: str) -> None:
    """Steps: 1 and then 2, equal in all blocks. Eight blocks leave 2**-8 = .0039 < .025 / 5; seven do not."""
    found = _find([[0.0, 0.0, math.log(2), math.log(2), math.log(2)]] * blocks)
    assert found.kind == kind
    assert (found.upper_users == 40) == (kind == "diverges")
    if kind == "inconclusive":
        assert found.blocks_needed == 8


def test_no_method_lends_a_step_its_neighbours_calm() -> None:
    """One level of eight blocks jumps; its neighbours stand still. Pooling alone would call it."""
    rows: Rows = [[0.0, math.log(2) if block else -0.5, 0.0] for block in range(8)]
    by_sign = find_bracket((10, 20, 30), rows, margin_ratio=0.1, method="sign")
    by_t = find_bracket((10, 20, 30), rows, margin_ratio=0.1, method="t")
    assert by_sign.levels[1].answer == "straddles"
    assert by_t.levels[1].answer == "straddles"


LOGS = st.one_of(st.none(), st.integers(-500, 800).map(lambda thousandths: thousandths / 1000))
TABLES = st.tuples(st.integers(2, 6), st.integers(1, 5)).flatmap(
    lambda size: st.lists(st.lists(LOGS, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0])
)


@cache
def _quantile(probability: float, df: int) -> float:
    """Student's, by scipy, which takes its time."""
    return float(stats.t.ppf(probability, df))


def _naive(rows: Rows, margin_ratio: float, alpha: float = 0.025) -> tuple[int, int] | None:
    """The method read aloud, one level after the other. None where a sum of squares is too small to judge."""
    levels = len(rows[0])
    columns = [[value for row in rows if (value := row[i]) is not None] for i in range(levels)]
    bounds = []
    for i, column in enumerate(columns):
        near = [c for c in columns[max(0, i - 1) : i + 2] if len(c) > 1]
        df = sum(len(c) - 1 for c in near)
        if len(column) < 2:
            bounds.append((-math.inf, math.inf))
            continue
        pooled = sum(float(np.var(c, ddof=1)) * (len(c) - 1) for c in near) / df
        own = float(np.var(column, ddof=1))
        if max(pooled, own) < 1e-12:
            return None
        mean, n = float(np.mean(column)), len(column)
        down, up = (
            max(_quantile(1 - error, f) * math.sqrt(v / n) for v, f in ((own, n - 1), (pooled, df)))
            for error in (alpha / levels, alpha)
        )
        bounds.append((mean - down, mean + up))
    margin = math.log(1 + margin_ratio)
    low = -1
    while low + 1 < levels and bounds[low + 1][1] < margin:
        low += 1
    high = next((i for i in range(levels) if bounds[i][0] > margin), levels)
    return low, high


@settings(max_examples=300)
@given(TABLES, st.floats(0.0, 0.4))
def test_the_bracket_is_that_of_a_naive_reading_of_the_method(rows: Rows, margin_ratio: float) -> None:
    expected = _naive(rows, margin_ratio)
    assume(expected is not None)
    assert expected is not None
    users = tuple(range(10, 10 + len(rows[0])))
    found = find_bracket(users, rows, margin_ratio=margin_ratio)
    low, high = expected
    assert found.lower_users == (users[low] if low >= 0 else None)
    assert found.upper_users == (users[high] if high < len(users) else None)


@settings(max_examples=100)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_blocks_does_not_matter(rows: Rows, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    users = tuple(range(10, 10 + len(rows[0])))
    one, two = (find_bracket(users, table, margin_ratio=0.1) for table in (rows, shuffled))
    for a, b in zip(one.levels, two.levels, strict=True):
        assert a.lower_log == pytest.approx(b.lower_log, abs=1e-9)
        assert a.upper_log == pytest.approx(b.upper_log, abs=1e-9)
        assert a.blocks == b.blocks


@settings(max_examples=100)
@given(TABLES, st.floats(0.0, 0.3), st.floats(0.0, 0.3))
def test_a_larger_margin_never_finds_the_threshold_earlier(rows: Rows, margin: float, more: float) -> None:
    users = tuple(range(10, 10 + len(rows[0])))
    near, far = (find_bracket(users, rows, margin_ratio=m) for m in (margin, margin + more))
    assert (near.lower_users or 0) <= (far.lower_users or 0)
    assert (near.upper_users or 10**9) <= (far.upper_users or 10**9)


@settings(max_examples=100)
@given(TABLES, st.sampled_from(["t", "sign"]))
def test_the_ends_never_contradict_each_other(rows: Rows, method: str) -> None:
    """N_L < N_U whenever both exist: no level is both surely under and surely over."""
    users = tuple(range(10, 10 + len(rows[0])))
    found = find_bracket(users, rows, margin_ratio=0.05, method="t" if method == "t" else "sign")
    if found.lower_users is not None and found.upper_users is not None:
        assert found.lower_users < found.upper_users


@settings(max_examples=60)
@given(st.floats(0.001, 1000), st.integers(0, 10_000))
def test_prices_that_scale_both_stacks_change_nothing(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.lognormal(0, 0.1, size=(2, 6, 5))
    tables = [np.log(first) - np.log(second) for first, second in (costs, costs * factor)]
    one, two = (_find(table.tolist()) for table in tables)
    assert (one.kind, one.lower_users, one.upper_users) == (two.kind, two.lower_users, two.upper_users)
