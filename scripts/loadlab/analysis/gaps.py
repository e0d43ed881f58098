"""What the law needs to know and nobody measured or told: absent is not zero, so nothing is predicted then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loadlab.model.experiment import Stack
from loadlab.model.run import Demand, Window
from loadlab.units import format_count, format_s

LEAST_WAITS = 20
"""Requests behind the mean of an own wait_time, below which it counts as unknown."""


def unknown_pools(stacks: Iterable[Stack]) -> frozenset[str]:
    """The stacks of which nobody said how many requests they serve at once."""
    return frozenset(stack.name for stack in stacks if stack.pool == "unknown")


def with_own_waits(demands: Sequence[Demand], windows: Sequence[Window]) -> tuple[Demand, ...]:
    """The demands, naming the own waits that their stacks' windows saw: bundles of before kept them there alone."""
    return tuple(replace(one, own_waits=tuple(sorted({*one.own_waits, *_seen(one.stack, windows)}))) for one in demands)


def gaps(demands: Sequence[Demand], pools: frozenset[str]) -> tuple[str, ...]:
    """Why the law cannot speak of these demands, in words; empty where it can.

    pools: the stacks whose pool is unknown.
    """
    return (*_pool_gaps(demands, pools), *(gap for demand in demands for gap in _wait_gaps(demand)))


def processor_gap(demands: Sequence[Demand]) -> str | None:
    """Whose processor time was not measured, in words; None where all of it was."""
    absent = [demand.stack for demand in demands if demand.cpu_s_per_request is None]
    return f"processor time of {' and '.join(absent)} was not measured" if absent else None


def assumed_waits(demands: Sequence[Demand]) -> str | None:
    """What is taken for the think time of users who wait as their own wait_time says; None where none do."""
    told = [
        f"{format_s(demand.think_s)} on average for {demand.stack} ({format_count(demand.think_requests)} requests)"
        for demand in demands
        if demand.own_waits
    ]
    names = sorted({name for demand in demands for name in demand.own_waits})
    return f"think time as {', '.join(names)} waited at low load: {', '.join(told)}" if told else None


def _seen(stack: str, windows: Sequence[Window]) -> set[str]:
    return {name for window in windows if window.stack == stack for name in window.load.own_waits}


def _pool_gaps(demands: Sequence[Demand], pools: frozenset[str]) -> tuple[str, ...]:
    unknown = [demand.stack for demand in demands if demand.stack in pools]
    if not unknown:
        return ()
    verb = "serves" if len(unknown) == 1 else "serve"
    return (
        f"how many requests {' and '.join(unknown)} {verb} at once is not known "
        '(stack.slots_per_worker says it, "unlimited" for an event loop)',
    )


def _wait_gaps(demand: Demand) -> tuple[str, ...]:
    if not demand.own_waits or (demand.think_s is not None and demand.think_requests >= LEAST_WAITS):
        return ()
    names = ", ".join(demand.own_waits)
    measured = f"is known from {format_count(demand.think_requests)} requests only, {LEAST_WAITS} are needed"
    how = measured if demand.think_s is not None else "was not measured"
    return (f"how long the users of {demand.stack} wait, by the wait_time of {names}, {how} (load.think_s sets it)",)
