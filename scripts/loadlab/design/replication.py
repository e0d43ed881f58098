"""How many blocks a wanted resolution takes, and how long a plan runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadlab.model.experiment import WindowPlan
from loadlab.model.plan import Plan

_WARMUP_LEAST_S = 1.0
_WARMUP_CYCLES = 5.0


def blocks_needed(
    log_sd: float, log_excess: float, *, alpha: float = 0.025, power: float = 0.8, blocks_max: int = 200
) -> int | None:
    """Fewest paired blocks that find a log ratio ``log_excess`` beyond the margin with ``power``.

    log_sd: standard deviation of the paired log ratio between blocks. alpha: one-sided, already divided by the
    number of levels where they are tested together. Exact power of the one-sided one-sample t test (noncentral
    t). None where not even blocks_max suffice, as for an excess of 0.
    """
    if log_sd < 0 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"log_sd {log_sd}, alpha {alpha} or power {power} is out of range")
    if log_excess <= 0:
        return None
    if log_sd == 0:
        return 2
    enough = (
        blocks for blocks in range(2, blocks_max + 1) if power_of(blocks, log_excess / log_sd, alpha=alpha) >= power
    )
    return next(enough, None)


def power_of(blocks: int, excess_in_sd: float, *, alpha: float = 0.025) -> float:
    """Probability that ``blocks`` paired blocks find an excess of so many block standard deviations."""
    from scipy.special import nctdtr, stdtrit  # takes longer to import than a whole analysis

    freedom = blocks - 1
    bound = stdtrit(freedom, 1 - alpha)
    return 1 - float(nctdtr(freedom, excess_in_sd * math.sqrt(blocks), bound))


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
