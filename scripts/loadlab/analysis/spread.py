"""Where connections land: how many of N users each worker process serves.

A keep-alive connection stays with the worker that accepted it, so a worker's slots fill while others idle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EvenSpread:
    """Every worker has the same number of connections, within one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredSpread:
    """Shares of the connections per worker, one tuple for each probe; workers without any may be left out."""

    shares: tuple[tuple[float, ...], ...]


Spread = EvenSpread | MeasuredSpread


def workers_by_connections(spread: Spread, users: int, workers: int) -> Mapping[int, float]:
    """Mean number of workers that hold n of ``users`` connections, by n (n = 0 left out).

    The values times their keys sum to ``users``. A measured share of 12.3 connections counts as 0.7 workers
    with 12 and 0.3 with 13.
    """
    if workers == 1:
        return {users: 1.0}
    match spread:
        case EvenSpread():
            base, extra = divmod(users, workers)
            return _without_idle({base: float(workers - extra), base + 1: float(extra)})
        case MeasuredSpread():
            return _measured(spread.shares, users)


def _measured(probes: tuple[tuple[float, ...], ...], users: int) -> Mapping[int, float]:
    held: defaultdict[int, float] = defaultdict(float)
    counted = [probe for probe in probes if sum(probe) > 0]
    if not counted:
        raise ValueError("a measured spread needs at least one probe that counted connections")
    for probe in counted:
        for share in probe:
            connections = users * share / sum(probe)
            below = math.floor(connections)
            held[below] += (below + 1 - connections) / len(counted)
            held[below + 1] += (connections - below) / len(counted)
    return _without_idle(held)


def _without_idle(held: Mapping[int, float]) -> Mapping[int, float]:
    return {connections: count for connections, count in sorted(held.items()) if connections and count > 0}
