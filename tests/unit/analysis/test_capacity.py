"""The capacity model agrees with a simulation, keeps its asymptotes and stays finite at large sizes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from builders_pool import simulated_rps
from loadlab.analysis.capacity import Pool, throughput_rps


@pytest.mark.parametrize(
    ("pool", "users"),
    [
        (Pool(service_s=0.2, cpu_s=0.0014, slots=48), 60),
        (Pool(service_s=0.2, cpu_s=0.0014, slots=16, think_s=0.1), 20),
        (Pool(service_s=0.2, cpu_s=0.01, slots=40), 30),
        (Pool(service_s=0.05, cpu_s=0.005, slots=8, think_s=0.2), 45),
        (Pool(service_s=0.05, cpu_s=0.02, slots=12, think_s=0.1), 12),
        (Pool(service_s=0.1, cpu_s=0.02, slots=None, think_s=0.05), 10),
        (Pool(service_s=0.1, cpu_s=0.04, slots=20, think_s=0.3, cores=2.0), 25),
    ],
)
@pytest.mark.parametrize("constant_delay", [True, False])
def test_throughput_is_within_5_percent_of_a_simulation(pool: Pool, users: int, constant_delay: bool) -> None:
    simulated = simulated_rps(pool, (users,), requests=12_000, seed=11, constant_delay=constant_delay)
    assert throughput_rps(pool, users) == pytest.approx(simulated, rel=0.05)


def test_without_pool_the_exact_convolution_of_the_network_comes_out() -> None:
    """Known answer: G(n) = D G(n-1) + W^n / n!, X(N) = G(N-1) / G(N)."""
    busy, wait, total = 0.03, 0.12, [1.0]
    for n in range(1, 21):
        total.append(busy * total[-1] + wait**n / math.factorial(n))
    pool = Pool(service_s=0.1, cpu_s=busy, slots=None, think_s=wait - 0.07)
    for n in (1, 2, 5, 20):
        assert throughput_rps(pool, n) == pytest.approx(total[n - 1] / total[n], rel=1e-10)


def test_without_think_time_a_pool_beyond_its_slots_is_the_network_of_its_slots() -> None:
    pool = Pool(service_s=0.2, cpu_s=0.01, slots=12)
    alone = Pool(service_s=0.2, cpu_s=0.01, slots=None)
    assert throughput_rps(pool, 100) == pytest.approx(throughput_rps(alone, 12), rel=1e-12)
    assert throughput_rps(pool, 7) == pytest.approx(throughput_rps(alone, 7), rel=1e-12)


@pytest.mark.parametrize("slots", [1, 8, 48, None])
@pytest.mark.parametrize("cpu_s", [0.0, 0.001, 0.05, 0.2])
@pytest.mark.parametrize("think_s", [0.0, 0.3])
def test_throughput_never_exceeds_an_asymptote_and_never_falls(slots: int | None, cpu_s: float, think_s: float) -> None:
    pool = Pool(service_s=0.2, cpu_s=cpu_s, slots=slots, think_s=think_s)
    rates = [throughput_rps(pool, users) for users in range(1, 200, 7)]
    for users, rate in zip(range(1, 200, 7), rates, strict=True):
        bounds = [users / (0.2 + think_s), math.inf if slots is None else slots / 0.2, 1 / cpu_s if cpu_s else math.inf]
        assert rate <= min(bounds) * (1 + 1e-9)
    assert all(later >= earlier * (1 - 1e-9) for earlier, later in pairwise(rates))


def test_one_user_never_waits() -> None:
    pool = Pool(service_s=0.2, cpu_s=0.05, slots=3, think_s=0.3)
    assert throughput_rps(pool, 1) == pytest.approx(2.0)


def test_large_pools_and_populations_stay_exact_at_their_limits() -> None:
    full = Pool(service_s=0.2, cpu_s=1e-4, slots=1000, think_s=1.0)
    assert throughput_rps(full, 10_000) == pytest.approx(1000 / 0.2, rel=1e-3)
    assert throughput_rps(Pool(service_s=0.2, cpu_s=1e-3, slots=None), 10_000) == pytest.approx(1000, rel=1e-9)
    assert throughput_rps(Pool(service_s=0.2, cpu_s=1e-5, slots=None), 10_000) == pytest.approx(50_000, rel=1e-3)


@pytest.mark.parametrize(("cores", "most_rps"), [(0.5, 50), (1.0, 100), (1.5, 150), (3.0, 300)])
def test_the_processor_is_full_at_its_cores_whole_or_not(cores: float, most_rps: float) -> None:
    quota = Pool(service_s=0.2, cpu_s=0.01, slots=None, cores=cores)
    assert throughput_rps(quota, 500) == pytest.approx(most_rps)


def test_a_real_number_of_users_lies_between_its_neighbours() -> None:
    pool = Pool(service_s=0.2, cpu_s=0.0, slots=10)
    assert throughput_rps(pool, 7.25) == pytest.approx(7.25 / 0.2)
    assert throughput_rps(pool, 0.5) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"service_s": 0.0, "cpu_s": 0.0, "slots": 1}, "service_s is 0.0"),
        ({"service_s": math.nan, "cpu_s": 0.0, "slots": 1}, "service_s is nan"),
        ({"service_s": 0.1, "cpu_s": -1.0, "slots": 1}, "negative time"),
        ({"service_s": 0.1, "cpu_s": 0.0, "slots": 0}, "slots is 0"),
    ],
)
def test_what_has_no_meaning_is_refused(kwargs: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pool(**kwargs)  # type: ignore[arg-type]
