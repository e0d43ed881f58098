"""What a plan will be able to see, before it is run, in the words of `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Callable

from loadlab.analysis.compare import method_of
from loadlab.model.experiment import DecisionRule
from loadlab.pipeline.scatter import Scatter
from loadlab.stats.power import POWER, blocks_to_see, sight
from loadlab.stats.sign import blocks_for_bound
from loadlab.units import format_percent, format_ratio, format_s

WANTED_RATIO = 0.05
"""The excess beyond the margin that is offered as the next step."""


def outlook(
    rule: DecisionRule, *, blocks: int, levels: int, scatter: Scatter, seconds_of: Callable[[int], float]
) -> list[str]:
    """One or two lines: what these blocks see, and what it takes to see 5 % beyond the margin.

    seconds_of: how long a plan of so many blocks takes at least. A statistic that order statistics bound has no scatter
    to go by: what counts there is how many blocks it takes to decide at all.
    """
    if method_of(rule.statistic) == "sign":
        return [_in_steps(rule, blocks, levels)]
    limit = 1 + rule.margin_ratio
    seen = sight(blocks=blocks, levels=levels, sd_log=scatter.sd_log, alpha=rule.alpha)
    head = f"block scatter {scatter.words}, power {POWER:g}"
    if seen.excess_log is None:
        return [f"{head}: fewer than two blocks see nothing"]
    least = limit * math.exp(seen.excess_log)
    lines = [
        f"{head}: this plan can see a ratio of {format_ratio(least, 3)} or more as beyond the margin of "
        f"{format_ratio(limit, 2)} ({format_percent(math.expm1(seen.excess_log))} over it)"
    ]
    if seen.excess_log > math.log1p(WANTED_RATIO):
        lines.append(_needs(rule, levels, scatter, seconds_of))
    return lines


def _in_steps(rule: DecisionRule, blocks: int, levels: int) -> str:
    under, over = blocks_for_bound(rule.alpha), blocks_for_bound(rule.alpha / levels)
    enough = "enough" if blocks >= over else f"too few: --set blocks.count={over}"
    return (
        f"{rule.statistic} moves in whole replicas: {under} blocks that agree can call a level within the margin, "
        f"{over} can call one above it; {blocks} are {enough}"
    )


def _needs(rule: DecisionRule, levels: int, scatter: Scatter, seconds_of: Callable[[int], float]) -> str:
    blocks = blocks_to_see(math.log1p(WANTED_RATIO), levels=levels, sd_log=scatter.sd_log, alpha=rule.alpha)
    wanted = f"for {format_percent(WANTED_RATIO)} over it"
    if blocks is None:
        return f"{wanted} no affordable number of blocks would do: make the machine quieter, or the windows longer"
    return f"{wanted} you need {blocks} blocks, at least {format_s(seconds_of(blocks))}: --set blocks.count={blocks}"
