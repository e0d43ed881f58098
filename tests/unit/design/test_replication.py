"""Blocks and minutes that a plan takes, against published figures and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from builders_cost import experiment
from loadlab.design.plan import make_plan
from loadlab.design.replication import (
    Overhead,
    blocks_needed,
    estimated_duration_s,
    power_of,
    window_warmup_s,
)


@pytest.mark.parametrize(
    ("sd", "excess", "blocks"), [(0.05, 0.074, 6), (0.05, 0.045, 12), (0.10, 0.15, 6), (0.10, 0.093, 12)]
)
def test_the_detectable_excess_of_the_method_needs_the_blocks_it_states(sd: float, excess: float, blocks: int) -> None:
    """The method's figures are simulated and rounded: one block of slack."""
    needed = blocks_needed(sd, math.log1p(excess))
    assert needed is not None
    assert abs(needed - blocks) <= 1


@pytest.mark.parametrize(("blocks", "effect"), [(4, 2.0), (6, 1.4), (12, 0.9)])
def test_power_agrees_with_a_simulation_of_the_test(blocks: int, effect: float) -> None:
    draws = np.random.default_rng(4).normal(effect, 1.0, size=(40_000, blocks))
    lower = draws.mean(1) - stats.t.ppf(0.975, blocks - 1) * draws.std(1, ddof=1) / math.sqrt(blocks)
    assert power_of(blocks, effect) == pytest.approx(float((lower > 0).mean()), abs=0.012)


def test_fewer_blocks_than_needed_lack_the_power() -> None:
    needed = blocks_needed(0.05, 0.06, alpha=0.005, power=0.9)
    assert needed is not None
    assert power_of(needed, 1.2, alpha=0.005) >= 0.9 > power_of(needed - 1, 1.2, alpha=0.005)


def test_an_excess_that_is_none_is_never_found() -> None:
    assert blocks_needed(0.05, 0.0) is None
    assert blocks_needed(0.05, -0.1) is None
    assert blocks_needed(1.0, 0.001, blocks_max=50) is None
    assert blocks_needed(0.0, 0.01) == 2


@pytest.mark.parametrize(("sd", "alpha", "power"), [(-0.1, 0.05, 0.8), (0.1, 0.0, 0.8), (0.1, 0.05, 1.0)])
def test_bounds_out_of_range_are_refused(sd: float, alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        blocks_needed(sd, 0.1, alpha=alpha, power=power)


@pytest.mark.parametrize(("response_s", "think_s", "warmup_s"), [(0.1, 0.0, 1.0), (0.2, 0.3, 2.5)])
def test_a_window_warms_up_for_five_cycles_and_a_second_at_least(
    response_s: float, think_s: float, warmup_s: float
) -> None:
    assert window_warmup_s(response_s, think_s) == pytest.approx(warmup_s)


def test_the_quick_plan_takes_44_windows_and_4_starts() -> None:
    """44 x (1 + 3 + 1) + 4 x (2 x 3 + 8) = 276 s."""
    quick = experiment()
    plan = make_plan(quick, (40, 48, 58, 69, 83), seed=1)
    overhead = Overhead(per_window_s=1.0, per_block_s=8.0)
    assert estimated_duration_s(plan, quick.window, overhead, response_s=0.2, think_s=0.0) == pytest.approx(276.0)
