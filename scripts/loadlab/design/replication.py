"""How long a plan runs."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.experiment import WindowPlan
from loadlab.model.plan import Plan

_WARMUP_LEAST_S = 1.0
_WARMUP_CYCLES = 5.0


def window_warmup_s(response_s: float, think_s: float) -> float:
    """Warm-up before each window: five cycles of a user, at least one second."""
    return max(_WARMUP_LEAST_S, _WARMUP_CYCLES * (response_s + think_s))


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """Seconds that are neither warm-up nor window: per_window_s (spawn, drain, books) and per_block_s (starts)."""

    per_window_s: float
    per_block_s: float


def estimated_duration_s(
    plan: Plan, window: WindowPlan, overhead: Overhead, *, response_s: float, think_s: float
) -> float:
    """Seconds that a plan takes without repeats.

    Each block starts its stacks and warms each for ``window.warmup_s``; each window has its own warm-up of
    `window_warmup_s` for the response time expected.
    """
    each_window_s = window_warmup_s(response_s, think_s) + window.measure_s + overhead.per_window_s
    total_s = 0.0
    for block in plan.blocks:
        stacks = len({trial.stack for trial in block.trials})
        total_s += len(block.trials) * each_window_s + stacks * window.warmup_s + overhead.per_block_s
    return total_s
