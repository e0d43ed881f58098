"""From the two logs of one step to its errors, and from the steps to what the generator may be believed.

The joined logs are the measure: ``truth = departure - arrival`` of the golden server, ``recorded = end - send`` of the
recorder, both on CLOCK_MONOTONIC, so their difference needs no comparison of clocks. What the window's histogram says
is compared with the truth of the same requests, because that is what runs report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from loadlab.analysis.calibration_logs import (
    ARRIVAL_NS,
    DEPARTURE_NS,
    DUE_NS,
    END_S,
    SEND_S,
    Floats,
    StepLogs,
    join,
    quantiles,
    reported,
)
from loadlab.analysis.calibration_open import late_faults, open_faults, open_figures
from loadlab.model.calibration import CoreQuality, Doubling, Order, Quantiles, Reach, Step
from loadlab.model.run import LoadWindow
from loadlab.units import format_count, format_percent, format_s

P50_MOST_RATIO = 0.02
P99_MOST_RATIO = 0.10
FLOOR_S = 0.0002
"""An error within this is never called one: the kernel and the loopback are in it."""
DELIVERED_LEAST_RATIO = 0.98
"""Of what so many users ask for: how late a generator is itself is in no latency, but in how seldom its users ask."""
RATE_MOST_RATIO = 0.05
"""How far the rates of one generator and of two may be apart."""
QUIET_RATIO = 0.02
"""A core that is paused for more of its time than this has other work."""
LONG_DELAY_S = 0.01


def judge_step(order: Order, logs: StepLogs) -> Step:
    """Join, compare, and say what does not hold."""
    whole = join(logs.golden, logs.requests)
    inside = whole.ended_in(logs.opened_s, logs.closed_s)
    golden, requests = inside.golden, inside.requests
    truth_s = (golden[:, DEPARTURE_NS] - golden[:, ARRIVAL_NS]) / 1e9
    recorded_s = requests[:, END_S] - requests[:, SEND_S]
    health, arrivals = logs.window.health, logs.window.arrivals
    asked_rps, delivered_rps = _rates(order, logs, truth_s)
    step = Step(
        order=order,
        requests=len(truth_s),
        asked_rps=asked_rps,
        delivered_rps=delivered_rps,
        truth=quantiles(truth_s),
        recorded=reported(logs.window.histogram),
        errors=quantiles(recorded_s - truth_s),
        absolute_errors=quantiles(np.abs(recorded_s - truth_s)),
        golden_late=quantiles((golden[:, DEPARTURE_NS] - golden[:, DUE_NS]) / 1e9),
        unmatched=whole.unmatched,
        failed=logs.window.failed,
        generator_cpu_ratio=health.cpu_cores / health.cores,
        lag_p99_s=health.lag_p99_s,
        faults=(),
        open=None if arrivals is None else open_figures(order, logs, whole, arrivals),
    )
    return replace(step, faults=tuple(_faults(step, logs.window)))


def _rates(order: Order, logs: StepLogs, truth_s: Floats) -> tuple[float, float]:
    """Asked for and delivered, in requests a second."""
    arrivals, measure_s = logs.window.arrivals, logs.window.measure_s
    if arrivals is not None:
        return arrivals.planned / measure_s, arrivals.started / measure_s
    turn_s = order.think_s + (float(truth_s.mean()) if len(truth_s) else order.delay_s)
    arrivals_s = logs.golden[:, ARRIVAL_NS] / 1e9
    arrived = np.count_nonzero((arrivals_s >= logs.opened_s) & (arrivals_s < logs.closed_s))
    return (order.users / turn_s if turn_s > 0 else 0.0), float(arrived) / measure_s


def bias_ratio(recorded_s: float | None, truth_s: float | None) -> float | None:
    """By what share a recorded quantile is off; None where one is absent."""
    return None if recorded_s is None or not truth_s else recorded_s / truth_s - 1.0


def reach(steps: Sequence[Step], of: str) -> Reach | None:
    """Up to where: the largest truthful step below the smallest that was not; None where none was truthful.

    of: "rate" in delivered requests a second, "users" in users; what an open step failed at is what it was asked for.
    A step that was tried again counts by its best try.
    """
    tries: dict[int, list[Step]] = {}
    for step in steps:
        tries.setdefault(step.order.size, []).append(step)
    best = [max(group, key=lambda one: one.truthful) for _, group in sorted(tries.items())]
    good = next((n for n, step in enumerate(best) if not step.truthful), len(best))
    if not good:
        return None
    sizes = [float(s.order.users) if of == "users" else s.delivered_rps for s in best]
    beyond = float(best[good].order.rate_rps or sizes[good]) if good < len(best) else None
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
        agrees=close and abs(two.delivered_rps / one.delivered_rps - 1.0) <= RATE_MOST_RATIO,
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
    rungs = [step.order.generators for step in steps if step.order.purpose == "rate"]
    of_ladder = max(rungs, default=1)
    found = [f"{s.order.id}: {s.faults[0]}" for s in steps if s.faults and _has_to_hold(s.order, rate, of_ladder)]
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


def _has_to_hold(order: Order, rate: Reach | None, of_ladder: int) -> bool:
    """Not the rungs of the ladders, which end where one fails, nor a pace at which the ladder of rates failed.

    of_ladder: how many generators shared its rates; a pace is asked of fewer, each of which can do its part alone.
    """
    if order.purpose == "pace":
        beyond = None if rate is None or rate.beyond is None else rate.beyond / of_ladder
        return rate is not None and (beyond is None or order.size / order.generators < beyond)
    return order.purpose in ("latency", "doubling")


def _faults(step: Step, window: LoadWindow) -> Iterator[str]:
    yield from window.holes
    if step.unmatched:
        yield f"{format_count(step.unmatched)} requests are in one log only"
    if step.failed:
        yield f"{format_count(step.failed)} requests failed"
    if step.recorded.p50_s is None:
        yield "no request was answered"
    if step.order.rate_rps is not None:
        yield from open_faults(step.open)
        if step.order.purpose == "rate":
            yield from late_faults(step.open, step.recorded.p99_s)
    elif step.order.purpose == "users" and step.delivered_rps < DELIVERED_LEAST_RATIO * step.asked_rps:
        yield (
            f"{step.delivered_rps:.1f} of {step.asked_rps:.1f} requests a second that so many users ask for, "
            f"at least {format_percent(DELIVERED_LEAST_RATIO)} expected"
        )
    yield from _off("", step.recorded, step.truth)
    if step.open is not None:
        yield from _off("response ", step.open.recorded, step.open.truth)


def _off(label: str, recorded: Quantiles, truth: Quantiles) -> Iterator[str]:
    """One line for each quantile that is further from the truth than it may be."""
    for name, most in (("p50", P50_MOST_RATIO), ("p99", P99_MOST_RATIO)):
        recorded_s, truth_s = getattr(recorded, f"{name}_s"), getattr(truth, f"{name}_s")
        if recorded_s is not None and truth_s is not None and not _within(recorded_s, truth_s, most):
            yield (
                f"{label}{name}: recorded {format_s(recorded_s)}, truth {format_s(truth_s)}, "
                f"within {format_percent(most)} or {format_s(FLOOR_S)} expected"
            )


def _within(got_s: float | None, truth_s: float | None, ratio: float) -> bool:
    if got_s is None or truth_s is None:
        return False
    return abs(got_s - truth_s) <= max(FLOOR_S, ratio * truth_s)
