"""What a plan will be able to see, before it is run, in the words of `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loadlab.analysis.compare import method_of
from loadlab.model.experiment import DecisionRule
from loadlab.stats.power import POWER, blocks_to_see, sight
from loadlab.stats.sign import blocks_for_bound
from loadlab.stats.student import t_quantile_of
from loadlab.units import format_percent, format_ratio, format_s

ASSUMED_SD_LOG = 0.05
"""Block scatter for which a plan is laid out where no run tells better (method.md, controls)."""
WANTED_RATIO = 0.05
"""The excess beyond the margin that is offered as the next step."""
_INTERVAL_AT = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatter:
    """Standard deviation of one block's log ratio at a level, and the run that it is known from (None: assumed)."""

    sd_log: float
    run: str | None

    @property
    def words(self) -> str:
        """Such as "1.2 %, as in run quick-..."."""
        origin = (
            f"as in {self.run}"
            if self.run
            else "assumed: no finished run of it with such windows on this target is here"
        )
        return f"{format_percent(self.sd_log)} ({origin})"


def known_scatter(runs: Path, experiment_id: str, statistic: str, target: str, *, measure_s: float) -> Scatter:
    """The scatter pooled over the valid levels of the newest run of an experiment on a target; assumed without one.

    measure_s: of the windows, for longer ones scatter less.
    """
    finished = [path for path in runs.glob("*/results.json") if not path.parent.is_symlink()]
    for results in sorted(finished, key=lambda path: path.stat().st_mtime, reverse=True):
        told = _read(results)
        is_alike = _target_of(told) == target and _measure_s_of(told) == measure_s
        found = _scatter_of(told, experiment_id, statistic) if is_alike else None
        if found is not None:
            return Scatter(sd_log=found, run=results.parent.name)
    return Scatter(sd_log=ASSUMED_SD_LOG, run=None)


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


def _scatter_of(results: dict[str, Any], experiment_id: str, statistic: str) -> float | None:
    experiment = results.get("experiment")
    if not isinstance(experiment, dict) or experiment.get("id") != experiment_id:
        return None
    levels: Sequence[Any] = results.get("comparisons") or ()
    mine = [level for level in levels if isinstance(level, dict) and level.get("statistic") == statistic]
    decisive = [level for level in mine if _price(level) == _price(mine[0])]
    return _pooled([found for level in decisive if (found := _spread(level)) is not None])


def _pooled(spreads: Sequence[tuple[float, int]]) -> float | None:
    """One standard deviation out of several with their degrees of freedom.

    The median of those of a few blocks each lies below it (for four blocks by a tenth), and would promise too much.
    """
    df = sum(degrees for _, degrees in spreads)
    return math.sqrt(math.fsum(degrees * sd**2 for sd, degrees in spreads) / df) if df else None


def _measure_s_of(results: Mapping[str, Any]) -> object:
    experiment = results.get("experiment")
    return experiment.get("measure_s") if isinstance(experiment, dict) else None


def _target_of(results: Mapping[str, Any]) -> object:
    """Pods scatter otherwise than pinned processes do."""
    provenance = results.get("provenance")
    return provenance.get("target") if isinstance(provenance, dict) else None


def _price(level: Mapping[str, Any]) -> tuple[Any, Any]:
    """The curve of the first price list is the one that decides."""
    return level.get("list"), level.get("billing")


def _spread(level: Mapping[str, Any]) -> tuple[float, int] | None:
    """Standard deviation and degrees of freedom, out of the two-sided interval: half of its width is t sd / sqrt(n)."""
    if not level.get("valid"):
        return None
    lower, upper, blocks = (level.get(key) for key in ("lower_ratio", "upper_ratio", "blocks"))
    if not (isinstance(lower, float) and isinstance(upper, float) and isinstance(blocks, int)):
        return None
    if blocks < 2 or not 0 < lower < upper:
        return None
    half_log = math.log(upper / lower) / 2
    return half_log * math.sqrt(blocks) / t_quantile_of(blocks - 1, (1 + _INTERVAL_AT) / 2), blocks - 1


def _read(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
