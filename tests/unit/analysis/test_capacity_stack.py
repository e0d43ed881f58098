"""Several workers: where connections land decides the throughput, as a simulation of the workers confirms."""

from __future__ import annotations

import pytest

from builders_pool import simulated_rps
from loadlab.analysis.capacity import Pool, throughput_rps
from loadlab.analysis.spread import EvenSpread, MeasuredSpread, Spread, workers_by_connections
from loadlab.analysis.stack_capacity import StackModel, stack_throughput_rps


@pytest.mark.parametrize(
    ("pool", "connections"),
    [
        (Pool(service_s=0.2, cpu_s=0.0014, slots=12), (22, 11, 9, 6)),
        (Pool(service_s=0.2, cpu_s=0.0014, slots=12, think_s=0.2), (36, 18, 12, 6)),
        (Pool(service_s=0.1, cpu_s=0.004, slots=6, think_s=0.1), (16, 8, 8)),
        (Pool(service_s=0.05, cpu_s=0.01, slots=4, think_s=0.02), (6, 4)),
        (Pool(service_s=0.05, cpu_s=0.01, slots=4, think_s=0.1, cores=2.0), (12, 8, 4)),
    ],
)
def test_workers_that_share_a_processor_are_within_7_percent_of_a_simulation(
    pool: Pool, connections: tuple[int, ...]
) -> None:
    users = sum(connections)
    spread = MeasuredSpread(shares=(tuple(held / users for held in connections),))
    model = StackModel(pool=pool, workers=len(connections), spread=spread)
    simulated = simulated_rps(pool, connections, requests=12_000, seed=5, constant_delay=True)
    assert stack_throughput_rps(model, users) == pytest.approx(simulated, rel=0.07)


def test_workers_with_a_core_each_are_independent_pools() -> None:
    pool = Pool(service_s=0.1, cpu_s=0.02, slots=4, think_s=0.1, cores=2.0)
    own = Pool(service_s=0.1, cpu_s=0.02, slots=4, think_s=0.1)
    model = StackModel(pool=pool, workers=2, spread=MeasuredSpread(shares=((0.75, 0.25),)))
    assert stack_throughput_rps(model, 12) == pytest.approx(throughput_rps(own, 9) + throughput_rps(own, 3))


def test_one_worker_is_the_pool_itself_and_uses_one_core_at_most() -> None:
    pool = Pool(service_s=0.1, cpu_s=0.02, slots=4, think_s=0.1)
    twice = Pool(service_s=0.1, cpu_s=0.02, slots=4, think_s=0.1, cores=2.0)
    assert stack_throughput_rps(StackModel(pool=pool), 9) == throughput_rps(pool, 9)
    assert stack_throughput_rps(StackModel(pool=twice), 9) == throughput_rps(pool, 9)


def test_event_loops_that_share_a_core_are_one_queue() -> None:
    pool = Pool(service_s=0.1, cpu_s=0.01, slots=None)
    assert stack_throughput_rps(StackModel(pool=pool, workers=3), 40) == throughput_rps(pool, 40)


def test_an_uneven_spread_leaves_slots_idle() -> None:
    pool = Pool(service_s=0.2, cpu_s=0.0, slots=12)
    skewed = StackModel(pool=pool, workers=4, spread=MeasuredSpread(shares=((0.5, 0.3, 0.1, 0.1),)))
    assert stack_throughput_rps(skewed, 40) == pytest.approx((12 + 12 + 4 + 4) / 0.2)
    assert stack_throughput_rps(StackModel(pool=pool, workers=4), 40) == pytest.approx(40 / 0.2)


@pytest.mark.parametrize(
    "spread",
    [
        EvenSpread(),
        MeasuredSpread(shares=((0.4, 0.3, 0.2, 0.1), (0.55, 0.25, 0.2))),
    ],
)
@pytest.mark.parametrize("users", [1, 7, 48, 301])
def test_every_connection_is_counted_once(spread: Spread, users: int) -> None:
    held = workers_by_connections(spread, users, 4)
    assert sum(connections * workers for connections, workers in held.items()) == pytest.approx(users)
    assert 0 not in held


def test_a_measured_spread_without_connections_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one probe"):
        workers_by_connections(MeasuredSpread(shares=((0.0, 0.0),)), 10, 2)
