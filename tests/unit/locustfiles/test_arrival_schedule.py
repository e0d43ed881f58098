"""The schedule of an open load: known answers, statistics with a fixed seed, and shares that add up to the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from _histogram import Floats
from _schedule import CHUNK, Ledger, Schedule, parse_pattern, share_of
from scipy.stats import chi2, kstest

SEED = 20261126


def schedule(pattern: str = "poisson", rate_rps: float = 100.0, seed: int = SEED) -> Schedule:
    return Schedule(rate_rps=rate_rps, pattern=parse_pattern(pattern), seed=seed)


def arrivals(one: Schedule, count: int, rank: int = 0, workers: int = 1) -> list[tuple[int, float, float, float]]:
    """The first arrivals of a share: number, due, both draws."""
    found: list[tuple[int, float, float, float]] = []
    for share in one.share(rank, workers):
        first, second = share.draws.T.tolist()
        found += zip(share.numbers.tolist(), share.due_s.tolist(), first, second, strict=True)
        if len(found) >= count:
            return found[:count]
    raise AssertionError("a schedule has no end")


def due_s(one: Schedule, count: int) -> Floats:
    return np.array([row[1] for row in arrivals(one, count)])


def test_constant_arrivals_are_evenly_spaced_from_the_start_on() -> None:
    assert due_s(schedule("constant", 4.0), 6) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.25])
    beyond = due_s(schedule("constant", 1000.0), CHUNK + 3)
    assert beyond[-3:] == pytest.approx([4.096, 4.097, 4.098])


def test_steps_change_the_rate_at_their_instants_without_losing_an_arrival() -> None:
    """2 a second for 3 s make arrivals 0 to 5; arrival 6 is due at 3 s, from where on they come 8 a second."""
    stepped = due_s(schedule("constant steps(1@0s, 4@3s, 0.5@5s)", 2.0), 25)
    assert stepped[:9] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.125, 3.25])
    assert stepped[22:] == pytest.approx([5.0, 6.0, 7.0])
    poisson = due_s(schedule("steps(1@0s, 3@50s)", 100.0), 20_000)
    counts = np.histogram(poisson, bins=[0.0, 50.0, 100.0])[0]
    assert abs(counts[0] - 5000) < 4 * math.sqrt(5000)
    assert abs(counts[1] - 15_000) < 4 * math.sqrt(15_000)


def test_poisson_arrivals_have_exponential_gaps_and_poisson_counts() -> None:
    """Kolmogorov-Smirnov of the gaps; index of dispersion of the counts per second; no correlation of neighbours."""
    times_s = due_s(schedule(), 50_000)
    gaps_s = np.diff(times_s)
    assert kstest(gaps_s * 100.0, "expon").pvalue > 0.01
    assert abs(np.corrcoef(gaps_s[:-1], gaps_s[1:])[0, 1]) < 4 / math.sqrt(len(gaps_s))
    counts = np.bincount(times_s.astype(int))[:-1]
    spread = counts.var(ddof=1) * (len(counts) - 1) / counts.mean()
    assert chi2.ppf(0.005, len(counts) - 1) < spread < chi2.ppf(0.995, len(counts) - 1)


def test_evenly_spaced_arrivals_would_fail_the_test_of_poisson_gaps() -> None:
    assert kstest(np.diff(due_s(schedule("constant"), 5000)) * 100.0, "expon").pvalue < 1e-9


def test_the_arrays_agree_with_an_oracle_that_draws_one_gap_after_the_other() -> None:
    draw, at_s, oracle = np.random.Generator(np.random.PCG64([SEED, 0])), 0.0, []
    for _ in range(2 * CHUNK + 10):
        at_s += -math.log1p(-draw.random()) / 250.0
        oracle.append(at_s)
    assert due_s(schedule(rate_rps=250.0), len(oracle)) == pytest.approx(oracle, rel=1e-12)


@pytest.mark.parametrize("pattern", ["poisson", "constant", "steps(1@0s, 3@10s)"])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_union_over_any_number_of_workers_is_the_one_schedule(pattern: str, workers: int) -> None:
    """Numbers, times and what each arrival does: nothing depends on how many workers share it."""
    whole, count = arrivals(schedule(pattern), 15_000), 15_000
    shares = [arrivals(schedule(pattern), count // workers + 1, rank, workers) for rank in range(workers)]
    assert all(row[0] % workers == rank for rank, share in enumerate(shares) for row in share)
    assert sorted(row for share in shares for row in share)[:count] == whole


def test_the_seed_decides_all_of_it_and_the_rate_only_stretches_it() -> None:
    assert arrivals(schedule(), 500) == arrivals(schedule(), 500)
    assert not np.allclose(due_s(schedule(seed=1), 500), due_s(schedule(seed=2), 500))
    assert due_s(schedule(rate_rps=50.0), 500) == pytest.approx(2 * due_s(schedule(rate_rps=100.0), 500))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_ledger_tells_every_arrival_once_however_it_is_asked(workers: int) -> None:
    asked_s = [1000.0, 1000.4, 1000.4, 1003.0, 1070.0, 1070.0001, 1090.0]
    for rank in range(workers):
        ledger = Ledger(schedule(), rank, workers, 1000.0)
        told = [ledger.due_before(at_s) for at_s in asked_s]
        expected = np.array([1000.0 + row[1] for row in arrivals(schedule(), 12_000 // workers, rank, workers)])
        assert np.concatenate(told).tolist() == expected[expected < 1090.0].tolist()
        assert all((piece < at_s).all() for piece, at_s in zip(told, asked_s, strict=True))


@pytest.mark.parametrize("cap", [0, 1, 5, 6, 7, 2000])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_parts_of_a_cap_add_up_to_it_and_differ_by_one_at_most(cap: int, workers: int) -> None:
    parts = [share_of(cap, rank, workers) for rank in range(workers)]
    assert sum(parts) == cap
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(
    "text",
    ["", "uniform", "steps()", "steps(1@1s)", "steps(1@0s, 2@0s)", "steps(0@0s)", "steps(1@0s, 2@5)", "poisson(3)"],
)
def test_a_pattern_that_means_nothing_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="expected poisson, constant, steps") as refusal:
        parse_pattern(text)
    assert "\n" not in str(refusal.value)
