"""The A/A control at margin 0: quiet when a stack meets itself, loud when something else got in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from builders_stats import goodput_experiment, level, make_run, make_windows
from loadlab.analysis.compare import plain_figures
from loadlab.analysis.controls import aa_control, aa_findings
from loadlab.analysis.summarise import judge
from loadlab.model.result import AaControl


def _control(aa_ratio: float = 1.0, blocks: int = 6, sd_log: float = 0.01, seed: int = 1) -> AaControl:
    windows = make_windows(level(1.0), levels=(30,), blocks=blocks, sd_log=sd_log, seed=seed, aa_ratio=aa_ratio)
    judged = judge(make_run(windows), goodput_experiment())
    goodput = next(f for f in plain_figures(judged.windows) if f.statistic == "goodput")
    assert goodput.by_window is not None
    return aa_control(judged.pairs, goodput.by_window, stacks=("pool",), users=30)


def test_a_stack_against_itself_stays_quiet_and_tells_the_resolution() -> None:
    found = _control()
    assert found.fired is False
    assert found.ratio is not None
    assert found.ratio.interval is not None
    width = math.log(found.ratio.interval.upper / found.ratio.interval.lower)
    assert found.half_width_ratio == pytest.approx(math.expm1(width / 2))
    assert found.resolution_ratio == found.half_width_ratio
    assert aa_findings(found) == ()


@pytest.mark.parametrize("aa_ratio", [1.02, 1 / 1.02])
def test_a_bias_larger_than_the_half_width_is_the_resolution(aa_ratio: float) -> None:
    """A twin that is 2 % off cannot resolve 0.3 %, however narrow its interval is."""
    found = _control(aa_ratio, sd_log=0.002)
    assert found.ratio is not None
    assert found.half_width_ratio is not None
    assert found.half_width_ratio < 0.005
    assert found.bias_ratio == pytest.approx(math.expm1(abs(math.log(found.ratio.value))))
    assert found.resolution_ratio == found.bias_ratio
    assert found.bias_ratio == pytest.approx(0.02, abs=0.003)


@pytest.mark.parametrize("aa_ratio", [1.1, 1 / 1.1])
def test_a_difference_of_ten_percent_between_the_twins_fires(aa_ratio: float) -> None:
    found = _control(aa_ratio)
    assert found.fired is True
    assert [(f.code, f.where) for f in aa_findings(found)] == [("aa_fired", "users=30")]


def test_a_control_of_both_stacks_names_them_where_it_fires() -> None:
    found = replace(_control(1.1), stacks=("pool", "loop"))
    (said,) = aa_findings(found)
    assert "pool and loop, each over itself" in str(said.got)


def test_the_control_fires_where_a_two_sided_t_test_at_one_percent_does() -> None:
    """Against scipy over 60 seeds at a true difference of 2.5 %: some fire, some do not, the same ones."""
    fired = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = np.array([rng.normal(0, 0.01, size=2) for _ in range(6)])
        logs = np.log(1 / 1.0) + noise[:, 1] + math.log(1.025) - noise[:, 0]
        fired.append((_control(1.025, seed=seed).fired, bool(stats.ttest_1samp(logs, 0.0).pvalue < 0.01)))
    assert all(ours == theirs for ours, theirs in fired)
    assert 5 < sum(ours is True for ours, _ in fired) < 55


def test_a_quiet_control_fires_about_once_in_a_hundred() -> None:
    alarms = sum(_control(seed=seed, blocks=4).fired is True for seed in range(300))
    assert alarms <= 10


@pytest.mark.parametrize("blocks", [1])
def test_a_control_of_one_block_is_not_judged(blocks: int) -> None:
    found = _control(blocks=blocks)
    assert (found.fired, found.resolution_ratio) == (None, None)
    assert found.reason == "1 A/A pair counts, at least 2 are needed"
    assert [f.code for f in aa_findings(found)] == ["aa_not_judged"]


def test_equal_twins_are_judged_by_their_number() -> None:
    assert _control(sd_log=0.0, blocks=4).fired is None
    assert _control(sd_log=0.0, blocks=8).fired is False
