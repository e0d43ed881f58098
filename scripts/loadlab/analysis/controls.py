"""The A/A control: stacks measured against themselves, at margin 0, where any difference is the lab's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from loadlab.analysis.codes import finding
from loadlab.analysis.pairing import Pair
from loadlab.model.result import AaControl, Finding
from loadlab.stats.paired import log_ratios, ratio_estimate, sample, t_interval
from loadlab.units import format_percent, format_ratio

FIRES_AT = 0.99
RESOLUTION_AT = 0.95

Value = Decimal | float | None


def aa_control(pairs: Sequence[Pair], values: Mapping[str, Value], *, stacks: tuple[str, ...], users: int) -> AaControl:
    """Judge the control. ``values``: window id to the decided statistic (larger is dearer); ``stacks``: the doubled.

    It fires when the 99 % interval of the ratio excludes 1. Its resolution, the smallest difference that the run
    could just see at this level, is the larger of the half-width of the 95 % interval and of the distance between
    the ratio and 1: a bias below what fires is no less in the way than noise is. None: could not be judged.
    """
    twins = [pair.ids for pair in pairs if pair.kind == "aa" and pair.ids is not None]
    logs = [
        log
        for log in log_ratios([(_number(values.get(a)), _number(values.get(b))) for a, b in twins])
        if log is not None
    ]
    wide, narrow = t_interval(logs, FIRES_AT), t_interval(logs, RESOLUTION_AT)
    got = sample(logs)
    half_width = None if narrow is None else math.expm1((narrow.upper - narrow.lower) / 2)
    bias = None if got is None else math.expm1(abs(got.mean))
    return AaControl(
        fired=None if wide is None else not wide.lower <= 0.0 <= wide.upper,
        resolution_ratio=None if half_width is None or bias is None else max(half_width, bias),
        stack=stacks[0],
        stacks=stacks,
        users=users,
        ratio=ratio_estimate(logs, RESOLUTION_AT),
        reason=_reason(len(logs), got is not None and got.spread, wide is None),
        half_width_ratio=half_width,
        bias_ratio=bias,
    )


def aa_findings(control: AaControl) -> tuple[Finding, ...]:
    """The control's doubt as a finding: fired, or not judged."""
    where = f"users={control.users}"
    if control.fired is None:
        return (finding("aa_not_judged", "warning", where, detail=control.reason),)
    if not control.fired or control.ratio is None:
        return ()
    return (
        finding(
            "aa_fired",
            "warning",
            where,
            got=f"ratio {format_ratio(control.ratio.value, 3)} ({_over_itself(control.stacks or (control.stack,))})",
            expected=f"1 within the {format_percent(FIRES_AT)} interval",
            next_step="look for drift between windows (other load, temperature, caches), then measure again",
        ),
    )


def _over_itself(stacks: tuple[str, ...]) -> str:
    return f"{' and '.join(stacks)}, each over itself" if len(stacks) > 1 else f"{stacks[0]} over itself"


def _reason(blocks: int, spread: bool, unjudged: bool) -> str | None:
    if not unjudged:
        return None
    if blocks >= 2 and not spread:
        return f"the {blocks} pairs do not differ at all, and are too few to count without a variance"
    return f"{blocks} A/A {'pair counts' if blocks == 1 else 'pairs count'}, at least 2 are needed"


def _number(value: Value) -> float | None:
    return None if value is None else float(value)
