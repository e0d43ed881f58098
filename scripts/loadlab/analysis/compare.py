"""Stack one over stack two, level by level, block by block: the curve of one statistic on one bill.

Every ratio is oriented so that above 1 stack one is the dearer: goodput enters as seconds per good request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from loadlab.analysis.alone import ConstantRatio
from loadlab.analysis.pairing import Pair, too_many_missing
from loadlab.model.experiment import Billing, Statistic
from loadlab.model.result import Comparison, Estimate, Interval, WindowSummary
from loadlab.stats.bracket import BracketAnswer, LevelDecision, Sides, outermost
from loadlab.stats.level_bounds import Method
from loadlab.stats.paired import log_ratios, ratio_estimate
from loadlab.stats.sign import median_bounds

Value = Decimal | float | None
PLAIN_STATISTICS: tuple[Statistic, ...] = ("goodput", "p95", "memory", "cpu_per_request")
PER_GOOD: tuple[Statistic, ...] = ("cost_per_million_good", "goodput")
"""Without a good request these are infinite, and not unknown."""
OF_SURVIVORS: tuple[Statistic, ...] = ("p95", "cpu_per_request")
"""Of the requests that were answered well: a stack that refuses the others at once would look the better for it."""
MOST_FAILED_RATIO, FEW_FAILED = 0.01, 1
"""So many of a window's requests may fail before these figures say nothing of it; so few always may."""
INTERVAL_AT = 0.95
WHY_ABSENT: Mapping[Statistic, str] = {
    "cost_per_million_good": "no request was good, or what is billed was not measured",
    "usd_per_hour_at_users": "the objective breaks at no level of the block, or at the lowest already, or a pair under "
    "that level is missing",
    "goodput": "no request was good",
    "p95": "it needs 20 requests, of which hardly any failed",
    "memory": "the service did not tell it",
    "cpu_per_request": "the service did not tell it, or too many requests failed",
}
"""Why windows that count can lack a figure."""


def method_of(statistic: Statistic) -> Method:
    """Whole replicas move in steps: order statistics bound them, and no variance does."""
    return "sign" if statistic == "usd_per_hour_at_users" else "t"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One statistic, larger is dearer, as the bill or the summary gives it; None is absent.

    by_window: window id to value. by_block: (block, stack, users) to value, for figures that only a whole block
    has (usd_per_hour_at_users). constant: a ratio that no number of users can change. One of the three is given, or
    none, with a note that says why. list and billing are None without a price.
    """

    statistic: Statistic
    list: str | None = None
    billing: Billing | None = None
    by_window: Mapping[str, Value] | None = None
    by_block: Mapping[tuple[int, str, int], Value] | None = None
    constant: ConstantRatio | None = None
    is_inverse_throughput: bool = False
    note: str | None = None

    @property
    def method(self) -> Method:
        """How this statistic is bounded."""
        return method_of(self.statistic)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Paired log ratios of one statistic: log_ratios[block][level], None where the pair is missing.

    stages: which stage each level belongs to; planned: in how many blocks it was to be measured; absent: in how many of
    these its windows count and have no figure; endless: for which stack that was so in any of these because no
    request of it was good while some of the other's were. Blocks of the other stage have None.
    """

    figures: Figures
    users: tuple[int, ...]
    log_ratios: tuple[tuple[float | None, ...], ...]
    repeats: tuple[int, ...]
    stages: tuple[int, ...]
    planned: tuple[int, ...]
    absent: tuple[int, ...] = ()
    endless: tuple[Sides, ...] = ()

    def column(self, level: int) -> tuple[float, ...]:
        """The blocks of one level that count."""
        return tuple(value for row in self.log_ratios if (value := row[level]) is not None)

    def valid(self, level: int) -> bool:
        """Whether at most a quarter of the level's pairs are missing."""
        planned = self.planned[level]
        return not too_many_missing(planned - len(self.column(level)), planned)

    def open_sides(self) -> tuple[Sides, ...]:
        """Where a level's bounds are open: for want of a price, or of pairs at one beyond the first stage's levels."""
        if not self.users:
            return ()
        bottom, top = outermost(self.stages)
        known = self.endless or (Sides(),) * len(self.users)
        return tuple(
            one if bottom <= i <= top or self.valid(i) else Sides(first=True, second=True)
            for i, one in enumerate(known)
        )


def plain_figures(windows: Sequence[WindowSummary]) -> tuple[Figures, ...]:
    """The statistics that need no price list."""
    return tuple(
        Figures(statistic=statistic, by_window={w.id: _plain(w, statistic) for w in windows})
        for statistic in PLAIN_STATISTICS
    )


def make_curve(
    figures: Figures, pairs: Sequence[Pair], stacks: tuple[str, str], windows: Sequence[WindowSummary]
) -> Curve:
    """Pair the figures block by block; a pair also misses where a figure is absent or not above zero.

    Figures of whole blocks depend on the levels that a block visits, and have those of the first stage alone. Any other
    curve has every level that was measured: one without a figure is unknown, and nothing is said past it.
    """
    sweep = [p for p in pairs if p.kind == "sweep" and (p.stage == 1 or figures.by_window is not None)]
    users = sorted({pair.users for pair in sweep})
    blocks = sorted({pair.block for pair in sweep})
    place = {(pair.block, pair.users): pair for pair in sweep}
    rows = [[_both(figures, place.get((block, level)), stacks) for level in users] for block in blocks]
    repeated = [sum(len(pair.planned_ids) for pair in sweep if pair.users == n and pair.repeated) for n in users]
    stages = {pair.users: pair.stage for pair in sweep}
    counted = {(pair.block, pair.users) for pair in sweep if pair.ids is not None}
    logs = tuple(log_ratios(row) for row in rows)
    good = {window.id: window.good for window in windows} if figures.statistic in PER_GOOD else {}
    return Curve(
        figures=figures,
        users=tuple(users),
        log_ratios=logs,
        repeats=tuple(repeated),
        stages=tuple(stages[n] for n in users),
        planned=tuple(sum(pair.users == n for pair in sweep) for n in users),
        absent=tuple(
            sum(row[i] is None and (block, n) in counted for block, row in zip(blocks, logs, strict=True))
            for i, n in enumerate(users)
        ),
        endless=tuple(_endless([pair for pair in sweep if pair.users == n], good) for n in users) if good else (),
    )


def _endless(pairs: Sequence[Pair], good: Mapping[str, int]) -> Sides:
    counts = [(good[pair.ids[0]], good[pair.ids[1]]) for pair in pairs if pair.ids is not None]
    return Sides(
        first=any(first == 0 < second for first, second in counts),
        second=any(second == 0 < first for first, second in counts),
    )


def comparisons(curve: Curve, answer: BracketAnswer) -> tuple[Comparison, ...]:
    """Each level of a curve with its two-sided interval and the bounds that decide; levels without a pair fall out."""
    return tuple(_comparison(curve, index, level) for index, level in enumerate(answer.levels) if level.blocks > 0)


def _comparison(curve: Curve, index: int, level: LevelDecision) -> Comparison:
    ratio = _ratio(curve.column(index), curve.figures.method)
    return Comparison(
        users=level.users,
        statistic=curve.figures.statistic,
        list=curve.figures.list,
        billing=curve.figures.billing,
        ratio=ratio.value,
        lower_ratio=ratio.interval.lower if ratio.interval else None,
        upper_ratio=ratio.interval.upper if ratio.interval else None,
        decision_lower_ratio=_exp(level.lower_log),
        decision_upper_ratio=_exp(level.upper_log),
        blocks=level.blocks,
        repeats=curve.repeats[index],
        missing=curve.planned[index] - level.blocks,
        valid=curve.valid(index),
        answer=level.answer,
        stage=curve.stages[index],
    )


def _ratio(logs: Sequence[float], method: Method) -> Estimate:
    if method == "t" and (estimate := ratio_estimate(logs, INTERVAL_AT)) is not None:
        return estimate
    half = (1 - INTERVAL_AT) / 2
    lower, upper = median_bounds(logs, half, half)
    interval = None
    if lower is not None and upper is not None:
        interval = Interval(lower=math.exp(lower), upper=math.exp(upper), level=INTERVAL_AT)
    return Estimate(value=math.exp(median(logs)), interval=interval, n=len(logs))


def _both(figures: Figures, pair: Pair | None, stacks: tuple[str, str]) -> tuple[float | None, float | None]:
    first, second = stacks
    if pair is None:
        return None, None
    if figures.by_block is not None:
        keys = ((pair.block, first, pair.users), (pair.block, second, pair.users))
        return _number(figures.by_block.get(keys[0])), _number(figures.by_block.get(keys[1]))
    if figures.by_window is None or pair.ids is None:
        return None, None
    return _number(figures.by_window.get(pair.ids[0])), _number(figures.by_window.get(pair.ids[1]))


def _plain(window: WindowSummary, statistic: Statistic) -> float | None:
    if statistic == "goodput":
        return 1 / window.goodput_rps if window.goodput_rps > 0 else None
    if statistic in OF_SURVIVORS and window.failed > max(FEW_FAILED, MOST_FAILED_RATIO * (window.ok + window.failed)):
        return None
    if statistic == "p95":
        return window.p95_s if window.planned is None else window.response_p95_s
    return window.cpu_s_per_request if statistic == "cpu_per_request" else window.pss_bytes


def _number(value: Value) -> float | None:
    return None if value is None else float(value)


def _exp(log: float | None) -> float | None:
    return None if log is None else math.exp(log)
