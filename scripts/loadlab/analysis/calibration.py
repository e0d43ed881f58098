"""From the two logs of one step to its errors, and from the steps to what the generator may be believed.

The joined logs are the measure: ``truth = departure - arrival`` of the golden server, ``recorded = end - send`` of the
recorder, both on CLOCK_MONOTONIC, so their difference needs no comparison of clocks. What the window's histogram says
is compared with the truth of the same requests, because that is what runs report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loadlab.model.calibration import CoreQuality, Doubling, Order, Quantiles, Reach, Step
from loadlab.model.run import LoadWindow
from loadlab.stats.histogram import decode
from loadlab.units import format_count, format_percent, format_s

P50_MOST_RATIO = 0.02
P99_MOST_RATIO = 0.10
FLOOR_S = 0.0002
"""An error within this is never called one: the kernel and the loopback are in it."""
QUIET_RATIO = 0.02
"""A core that is paused for more of its time than this has other work."""
P95_LEAST, P99_LEAST, P999_LEAST = 20, 1_000, 10_000
LONG_DELAY_S = 0.01

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ID, ARRIVAL_NS, DUE_NS, DEPARTURE_NS, STATUS = range(5)
REQUEST_ID, INTENDED_S, SEND_S, END_S, CODE = range(5)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepLogs:
    """What a step left behind. golden: n x 5 (columns above); requests: m x 5; opened_s: on CLOCK_MONOTONIC."""

    golden: Ints
    requests: Floats
    window: LoadWindow
    opened_s: float


def judge_step(order: Order, logs: StepLogs) -> Step:
    """Join, compare, and say what does not hold."""
    golden, requests, unmatched = joined(logs.golden, logs.requests)
    closes_s = logs.opened_s + logs.window.measure_s
    inside = (requests[:, END_S] >= logs.opened_s) & (requests[:, END_S] < closes_s)
    golden, requests = golden[inside], requests[inside]
    truth_s = (golden[:, DEPARTURE_NS] - golden[:, ARRIVAL_NS]) / 1e9
    recorded_s = requests[:, END_S] - requests[:, SEND_S]
    health, seen = logs.window.health, decode(logs.window.histogram)
    arrivals_s = logs.golden[:, ARRIVAL_NS] / 1e9
    arrived = np.count_nonzero((arrivals_s >= logs.opened_s) & (arrivals_s < closes_s))
    turn_s = order.think_s + (float(truth_s.mean()) if len(truth_s) else order.delay_s)
    step = Step(
        order=order,
        requests=len(truth_s),
        asked_rps=order.users / turn_s if turn_s > 0 else 0.0,
        delivered_rps=float(arrived) / logs.window.measure_s,
        truth=quantiles(truth_s),
        recorded=Quantiles(
            p50_s=seen.quantile_s(0.5),
            p95_s=seen.quantile_s(0.95, P95_LEAST),
            p99_s=seen.quantile_s(0.99, P99_LEAST),
            p999_s=seen.quantile_s(0.999, P999_LEAST),
        ),
        errors=quantiles(recorded_s - truth_s),
        golden_late=quantiles((golden[:, DEPARTURE_NS] - golden[:, DUE_NS]) / 1e9),
        unmatched=unmatched,
        failed=logs.window.failed,
        generator_cpu_ratio=health.cpu_cores / health.cores,
        lag_p99_s=health.lag_p99_s,
        faults=(),
    )
    return _with_faults(step, logs.window)


def joined(golden: Ints, requests: Floats) -> tuple[Ints, Floats, int]:
    """Rows of both logs with the same id, in order of id, and how many rows have no partner, or no answer."""
    answered = golden[golden[:, STATUS] != 0]
    ids = requests[:, REQUEST_ID].astype(np.int64)
    _, mine, theirs = np.intersect1d(answered[:, ID], ids, assume_unique=True, return_indices=True)
    return answered[mine], requests[theirs], len(golden) + len(requests) - 2 * len(mine)


def quantiles(values_s: Floats) -> Quantiles:
    """Order statistics (inverse of the empirical distribution); those with too few values behind them are absent."""

    def at(share: float, least: int) -> float | None:
        return float(np.quantile(values_s, share, method="inverted_cdf")) if len(values_s) >= least else None

    return Quantiles(
        p50_s=at(0.5, 1), p95_s=at(0.95, P95_LEAST), p99_s=at(0.99, P99_LEAST), p999_s=at(0.999, P999_LEAST)
    )


def bias_ratio(recorded_s: float | None, truth_s: float | None) -> float | None:
    """By what share a recorded quantile is off; None where one is absent."""
    return None if recorded_s is None or not truth_s else recorded_s / truth_s - 1.0


def reach(steps: Sequence[Step], of: str) -> Reach | None:
    """Up to where: the largest truthful step below the smallest that was not; None where none was truthful.

    of: "rate" in delivered requests a second, "users" in users. A step that was tried again counts by its best try.
    """
    tries: dict[int, list[Step]] = {}
    for step in steps:
        tries.setdefault(step.order.users, []).append(step)
    best = [max(group, key=lambda one: one.truthful) for _, group in sorted(tries.items())]
    good = next((n for n, step in enumerate(best) if not step.truthful), len(best))
    if not good:
        return None
    sizes = [float(s.order.users) if of == "users" else s.delivered_rps for s in best]
    beyond = sizes[good] if good < len(best) else None
    return Reach(most=max(sizes[:good]), beyond=None if beyond is None else max(beyond, max(sizes[:good])))


def doubling(one: Step, two: Step) -> Doubling | None:
    """Whether two generators at N/2 agree with one at N; None where a quantile is absent."""
    p50 = bias_ratio(two.recorded.p50_s, one.recorded.p50_s)
    p99 = bias_ratio(two.recorded.p99_s, one.recorded.p99_s)
    if p50 is None or p99 is None or not one.delivered_rps:
        return None
    close = _within(two.recorded.p50_s, one.recorded.p50_s, P50_MOST_RATIO)
    close = close and _within(two.recorded.p99_s, one.recorded.p99_s, P99_MOST_RATIO)
    return Doubling(
        users=one.order.users,
        rate_ratio=two.delivered_rps / one.delivered_rps,
        p50_ratio=1.0 + p50,
        p99_ratio=1.0 + p99,
        agrees=close,
    )


def largest_bias(steps: Sequence[Step], quantile: str) -> float | None:
    """The bias that is furthest from zero over the latency steps with long delays; ``quantile``: p50_s or p99_s."""
    found = [
        bias
        for step in steps
        if step.order.purpose == "latency" and step.order.delay_s >= LONG_DELAY_S
        if (bias := bias_ratio(getattr(step.recorded, quantile), getattr(step.truth, quantile))) is not None
    ]
    return max(found, key=abs, default=None)


def largest_small_bias_s(steps: Sequence[Step]) -> float | None:
    """How far p50 or p99 is off at most where delays are short."""
    found = [
        recorded - truth
        for step in steps
        if step.order.purpose == "latency" and step.order.delay_s < LONG_DELAY_S
        for recorded, truth in ((step.recorded.p50_s, step.truth.p50_s), (step.recorded.p99_s, step.truth.p99_s))
        if recorded is not None and truth is not None
    ]
    return max(found, key=abs, default=None)


def failures(
    steps: Sequence[Step],
    cores: Sequence[CoreQuality],
    rate: Reach | None,
    users: Reach | None,
    two: Doubling | None,
) -> tuple[str, ...]:
    """Why the generator cannot be relied on here, the likeliest cause first; empty where it can."""
    found = [f"{s.order.id}: {s.faults[0]}" for s in steps if s.order.purpose == "latency" and s.faults]
    if rate is None:
        found.append("not truthful at the lowest rate that was tried")
    if users is None:
        found.append("not truthful at the fewest users that were tried")
    if two is None:
        found.append("two generators against one: too few requests were answered to judge it")
    elif not two.agrees:
        found.append("two generators with half of the users each do not agree with one")
    busiest = max((core.paused_ratio for core in cores), default=0.0)
    if found and busiest > QUIET_RATIO:
        found.insert(0, f"the cores had other work for {format_percent(busiest)} of the time: end it, calibrate again")
    return tuple(found)


def _with_faults(step: Step, window: LoadWindow) -> Step:
    found = [*window.holes]
    if step.unmatched:
        found.append(f"{format_count(step.unmatched)} requests are in one log only")
    if step.failed:
        found.append(f"{format_count(step.failed)} requests failed")
    for name, most in (("p50", P50_MOST_RATIO), ("p99", P99_MOST_RATIO)):
        recorded_s, truth_s = getattr(step.recorded, f"{name}_s"), getattr(step.truth, f"{name}_s")
        if name == "p50" and recorded_s is None:
            found.append("no request was answered")
        elif recorded_s is not None and truth_s is not None and not _within(recorded_s, truth_s, most):
            found.append(
                f"{name}: recorded {format_s(recorded_s)}, truth {format_s(truth_s)}, "
                f"within {format_percent(most)} or {format_s(FLOOR_S)} expected"
            )
    return replace(step, faults=tuple(found))


def _within(got_s: float | None, truth_s: float | None, ratio: float) -> bool:
    if got_s is None or truth_s is None:
        return False
    return abs(got_s - truth_s) <= max(FLOOR_S, ratio * truth_s)
