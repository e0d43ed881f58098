"""What a plan can see, against the exact power of the t test, against simulated runs, and by known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from loadlab.stats.level_bounds import level_bounds
from loadlab.stats.power import blocks_to_see, found_ratio, sight


def exact_power(blocks: int, excess_in_sd: float, alpha: float) -> float:
    """Noncentral t: the power of the level's own bound, which the wider of two bounds cannot exceed."""
    bound = stats.t.ppf(1 - alpha, blocks - 1)
    return float(stats.nct.sf(bound, blocks - 1, excess_in_sd * math.sqrt(blocks)))


@pytest.mark.parametrize("blocks", [4, 6, 12])
def test_a_single_level_has_the_exact_power_of_the_t_test(blocks: int) -> None:
    seen = sight(blocks=blocks, levels=1, sd_log=0.05)
    assert seen.excess_log is not None
    assert exact_power(blocks, seen.excess_log / 0.05, 0.025) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("blocks", "levels"), [(4, 5), (8, 14), (12, 2)])
def test_the_wider_of_two_bounds_sees_no_more_than_the_levels_own(blocks: int, levels: int) -> None:
    excess_log = 0.08
    found = found_ratio(excess_log, blocks=blocks, levels=levels, sd_log=0.05)
    assert found <= exact_power(blocks, excess_log / 0.05, 0.025 / levels) + 0.02


def test_a_plan_finds_what_it_says_it_can_see_in_the_code_that_decides() -> None:
    """All five levels drawn and judged, not only the neighbourhood of the middle one."""
    seen = sight(blocks=4, levels=5, sd_log=0.03)
    assert seen.excess_log is not None
    drawn = np.random.default_rng(5).normal(0.0, 0.03, (8000, 4, 5))
    drawn[..., 2] += math.log(1.1) + seen.excess_log
    over = level_bounds(drawn, 0.025).lower[..., 2] > math.log(1.1)
    assert float(over.mean()) == pytest.approx(0.8, abs=0.02)


def test_what_is_seen_grows_with_the_scatter_and_shrinks_with_the_blocks() -> None:
    few, many = (sight(blocks=n, levels=5, sd_log=0.05).excess_log for n in (4, 16))
    twice = sight(blocks=4, levels=5, sd_log=0.10).excess_log
    assert few is not None
    assert many is not None
    assert many < few / 2
    assert twice == pytest.approx(2 * few)


def test_the_blocks_that_are_asked_for_are_enough_and_one_less_is_not() -> None:
    wanted_log = math.log(1.05)
    blocks = blocks_to_see(wanted_log, levels=5, sd_log=0.05)
    assert blocks is not None
    enough, short = (sight(blocks=n, levels=5, sd_log=0.05).excess_log for n in (blocks, blocks - 1))
    assert enough is not None
    assert short is not None
    assert enough <= wanted_log < short


def test_no_excess_is_never_seen_and_one_block_sees_nothing() -> None:
    assert blocks_to_see(0.0, levels=5, sd_log=0.05) is None
    assert blocks_to_see(0.001, levels=5, sd_log=0.5) is None
    assert sight(blocks=1, levels=5, sd_log=0.05).excess_log is None


def test_chance_alone_calls_a_level_on_the_margin_no_more_often_than_its_share_of_alpha() -> None:
    assert 0 < found_ratio(0.0, blocks=6, levels=1, sd_log=0.05) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 4000)


@pytest.mark.parametrize(("sd_log", "alpha", "power"), [(-0.1, 0.05, 0.8), (0.1, 0.0, 0.8), (0.1, 0.05, 1.0)])
def test_bounds_out_of_range_are_refused(sd_log: float, alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        sight(blocks=4, levels=5, sd_log=sd_log, alpha=alpha, power=power)
