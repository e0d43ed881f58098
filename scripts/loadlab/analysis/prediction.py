"""Where the cost curves of two stacks should part, predicted from what one request asks of each.

The law (docs/method.md): while the pool and not the processor binds (``slots < service_s / cpu_s``), the first
stack costs more than 1 + margin times the second from (1 + margin) slots (service_s + think_s) / service_s users
on. The predicted number is the crossing of the capacity model's curves, which also knows the processor and where
connections land; the law's plain number stands beside it as ``textbook_users``. What is not known is not taken for
zero: without slots or waits there is no prediction, without processor time none that denies a threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from loadlab.analysis.capacity import Pool
from loadlab.analysis.gaps import assumed_waits, gaps, processor_gap
from loadlab.analysis.spread import EvenSpread, MeasuredSpread
from loadlab.analysis.stack_capacity import StackModel, stack_throughput_rps
from loadlab.model.result import Bracket, Prediction
from loadlab.model.run import Demand

_SCAN_DENSE_USERS = 64
_SCAN_STEP = 1.02
_LEAST_SCAN_USERS = 200
_CURVE_POINTS = 40
_PROCESSOR_PART = 0.25

Attribution = Literal["pool", "processor", "both", "none"]
Ratio = Callable[[int], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What the demands do not say: margin of the decision, think time, cores of one stack, pools that nobody told."""

    margin_ratio: float
    think_s: float = 0.0
    cores: float = 1.0
    unknown_pools: frozenset[str] = frozenset()


def stack_model(demand: Demand, conditions: Conditions) -> StackModel:
    """The capacity model of a stack whose demand was measured.

    Connections that were not counted count as evenly spread; CPU time that was not measured leaves the processor out.
    """
    measured = MeasuredSpread(shares=demand.connection_shares) if demand.connection_shares else None
    pool = Pool(
        service_s=demand.service_s,
        cpu_s=demand.cpu_s_per_request or 0.0,
        slots=demand.slots_per_worker,
        think_s=demand.think_time_s(conditions.think_s) or 0.0,
        cores=(demand.cores or conditions.cores) * demand.replicas,
    )
    return StackModel(pool=pool, workers=demand.workers, spread=measured or EvenSpread())


def textbook_users(stack: StackModel, margin_ratio: float) -> float | None:
    """(1 + margin) c (S + Z) / S with all slots in one pool; None without a pool."""
    if stack.slots is None:
        return None
    pool = stack.pool
    return (1 + margin_ratio) * stack.slots * (pool.service_s + pool.think_s) / pool.service_s


def predict(
    first: Demand,
    second: Demand,
    conditions: Conditions,
    *,
    users_max: int | None = None,
) -> Prediction:
    """Predict from how many users on ``first`` costs more than (1 + margin) times ``second``.

    Both stacks are taken at the same fixed price, so that the cost ratio is X_second(N) / X_first(N).
    users is the smallest such N up to users_max (default: four times the law's, at least 200), interpolated
    between whole users; None, with the reason, where the law says that the curves do not part. Where the
    processor binds first, whatever parts the curves is attributed to it. Where something that decides is not known,
    nothing is predicted: attribution unknown, and the reason says what is missing.
    """
    missing = gaps((first, second), conditions.unknown_pools)
    if missing:
        return _unpredicted("; ".join(missing), _told_law(first, conditions))
    one = stack_model(first, conditions)
    two = stack_model(second, conditions)
    law = textbook_users(one, conditions.margin_ratio)
    limit = users_max or max(_LEAST_SCAN_USERS, math.ceil(4 * (law or 0)))
    ratio = cost_ratio(one, two, replicas_ratio=first.replicas / second.replicas)
    crossing = first_crossing(ratio, 1 + conditions.margin_ratio, limit)
    users, attribution, reason = _explain(one, two, crossing, conditions.margin_ratio, limit)
    unmeasured = processor_gap((first, second))
    if users is None and unmeasured:
        return _unpredicted(f"{unmeasured}, and nothing else that is known parts the curves", law)
    curve = _curve_users(users or crossing, limit)
    return Prediction(
        users=users,
        miss_ratio=None,
        inside=None,
        attribution=attribution,
        reason=_with_assumptions(reason, first, second),
        textbook_users=law,
        curve_users=curve,
        curve_ratio=tuple(ratio(point) for point in curve),
        processor_users=crossing if users is None else None,
    )


def cost_ratio(first: StackModel, second: StackModel, *, replicas_ratio: float = 1.0) -> Ratio:
    """Cost of the first over cost of the second stack as a function of the users, at one fixed price of a replica."""
    return lambda users: replicas_ratio * stack_throughput_rps(second, users) / stack_throughput_rps(first, users)


def first_crossing(ratio: Ratio, level: float, users_max: int) -> float | None:
    """Smallest number of users whose ratio exceeds ``level``, interpolated; None if there is none.

    Every whole number up to 64 is looked at, then steps of 2 % with bisection inside the first that exceeds.
    """
    below = 0
    for users in _scan(users_max):
        if ratio(users) > level:
            return _refined(ratio, level, below, users)
        below = users
    return None


def _scan(users_max: int) -> list[int]:
    users = list(range(1, min(_SCAN_DENSE_USERS, users_max) + 1))
    while users[-1] < users_max:
        users.append(min(users_max, max(users[-1] + 1, round(users[-1] * _SCAN_STEP))))
    return users


def _refined(ratio: Ratio, level: float, below: int, above: int) -> float:
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if ratio(middle) > level else (middle, above)
    if below == 0:
        return 1.0
    low, high = ratio(below), ratio(above)
    return below + (level - low) / (high - low)


def _explain(
    one: StackModel, two: StackModel, crossing: float | None, margin_ratio: float, limit: int
) -> tuple[float | None, Attribution, str]:
    if one.slots is None:
        return None, "none" if crossing is None else "processor", _no_law(one, crossing)
    if one.processor_binds_first:
        return None, "processor", _no_law(one, crossing)
    if crossing is None:
        return None, "none", f"the curves never part up to {limit} users{_second_limit(one, two)}"
    processor_log = math.log(cost_ratio(one.without_pool(), two.without_pool())(math.ceil(crossing)))
    if processor_log < _PROCESSOR_PART * math.log1p(margin_ratio):
        return crossing, "pool", f"the {one.slots} slots of the first stack fill before its processor does"
    return crossing, "both", "slots and processor time both part the curves"


def _no_law(one: StackModel, crossing: float | None) -> str:
    if one.slots is None:
        reason = "the first stack has no pool of slots"
    else:
        full = one.cores_in_use * one.pool.service_s / one.pool.cpu_s
        reason = (
            f"the processor binds before the pool does: it is full with {full:.1f} requests, the pool with {one.slots}"
        )
    if crossing is None:
        return f"{reason}; processor time does not part the curves either"
    return f"{reason}; processor time alone would part the curves at about {crossing:.0f} users"


def _second_limit(one: StackModel, two: StackModel) -> str:
    if two.pool.cpu_s == 0 or one.slots is None:
        return ""
    second_rps = two.cores_in_use / two.pool.cpu_s
    first_rps = one.slots / one.pool.service_s
    return f": the second stack's processor is full at {second_rps:.0f}/s, the first's slots at {first_rps:.0f}/s"


def _unpredicted(reason: str, law: float | None) -> Prediction:
    return Prediction(
        users=None, miss_ratio=None, inside=None, attribution="unknown", reason=reason, textbook_users=law
    )


def _told_law(first: Demand, conditions: Conditions) -> float | None:
    """The textbook's number, which asks for slots and waits of the first stack alone; None where these are unknown."""
    if gaps((first,), conditions.unknown_pools):
        return None
    return textbook_users(stack_model(first, conditions), conditions.margin_ratio)


def _with_assumptions(reason: str, first: Demand, second: Demand) -> str:
    unmeasured = processor_gap((first, second))
    assumed = [f"{unmeasured} and is left out" if unmeasured else None, assumed_waits((first, second))]
    told = "; ".join(one for one in assumed if one)
    return f"{reason} ({told})" if told else reason


def _curve_users(centre: float | None, limit: int) -> tuple[int, ...]:
    top = limit if centre is None else min(limit, max(8, math.ceil(2.2 * centre)))
    step = top ** (1 / (_CURVE_POINTS - 1))
    return tuple(sorted({round(step**point) for point in range(_CURVE_POINTS)} | {top}))


def with_measurement(prediction: Prediction, bracket: Bracket) -> Prediction:
    """The prediction with its miss, once the bracket is known.

    lower_ratio, upper_ratio: the ends of the bracket over the predicted users, which is all that the data support.
    miss_ratio: inside of that, the measured point (the isotonic estimate, else the geometric middle of the bracket)
    over the predicted users. inside: whether the bracket contains the prediction; a bracket without divergence contains
    "none" and everything above its last level; None where the bracket decides nothing, or is of a bill that no
    number of users can part (the law speaks of one fixed price), or where nothing was predicted.
    """
    if prediction.attribution == "unknown" or bracket.kind not in ("diverges", "diverged_at_first", "no_divergence"):
        return prediction
    if bracket.lower_users is None and bracket.upper_users is None:
        return prediction
    if prediction.users is None:
        return replace(prediction, inside=bracket.kind == "no_divergence")
    measured = _measured_users(bracket)
    return replace(
        prediction,
        miss_ratio=None if measured is None else measured / prediction.users,
        inside=_contains(bracket, prediction.users),
        lower_ratio=None if bracket.lower_users is None else bracket.lower_users / prediction.users,
        upper_ratio=None if bracket.upper_users is None else bracket.upper_users / prediction.users,
    )


def _measured_users(bracket: Bracket) -> float | None:
    if bracket.kind != "diverges":
        return None
    if bracket.estimate_users is not None:
        return bracket.estimate_users
    if bracket.lower_users is None or bracket.upper_users is None:
        return None
    return math.sqrt(bracket.lower_users * bracket.upper_users)


def _contains(bracket: Bracket, users: float) -> bool:
    above = bracket.lower_users is None or users > bracket.lower_users
    return above and (bracket.upper_users is None or users <= bracket.upper_users)
