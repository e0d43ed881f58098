"""Throughput of a whole stack: several worker processes, each with its own slots and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from loadlab.analysis.capacity import Floats, Pool, busy_rate_rps, stationary, throughput_rps
from loadlab.analysis.spread import EvenSpread, Spread, workers_by_connections


@dataclass(frozen=True, kw_only=True, slots=True)
class StackModel:
    """Worker processes behind one address.

    pool: one worker's slots, with ``cores`` as what the whole stack has; a Python process uses one at most.
    """

    pool: Pool
    workers: int = 1
    spread: Spread = field(default_factory=EvenSpread)

    @property
    def slots(self) -> int | None:
        """All slots together; None without a pool."""
        return None if self.pool.slots is None else self.pool.slots * self.workers

    @property
    def cores_in_use(self) -> float:
        """Cores that the processes can keep busy."""
        return min(self.pool.cores, float(self.workers))

    @property
    def processor_binds_first(self) -> bool:
        """Whether the processor is full before the pool is: slots >= cores * service_s / cpu_s."""
        if self.slots is None:
            return True
        return self.slots * self.pool.cpu_s >= self.cores_in_use * self.pool.service_s

    def without_pool(self) -> StackModel:
        """The same stack if it never ran out of slots."""
        return replace(self, pool=replace(self.pool, slots=None))


def stack_throughput_rps(stack: StackModel, users: int) -> float:
    """Requests per second of ``users`` on all workers, the mean over the spread's probes.

    Workers with a core each are independent pools. Workers that share cores are solved as one fixed point:
    the time r that a request holds its slot makes sum_i X_i(n_i; r) equal to what the processor finishes with
    that many slots held (exact without think time).
    """
    held = workers_by_connections(stack.spread, users, stack.workers)
    if stack.pool.cores >= stack.workers or stack.workers == 1:
        own = replace(stack.pool, cores=min(1.0, stack.pool.cores))
        return sum(count * throughput_rps(own, connections) for connections, count in held.items())
    if stack.pool.slots is None:
        return throughput_rps(stack.pool, users)
    return _shared_processor_rps(stack.pool, stack.pool.slots, held)


def _shared_processor_rps(pool: Pool, slots: int, held: Mapping[int, float]) -> float:
    connections = np.array(list(held))
    count = np.array(list(held.values()))
    held_most = float(count @ np.minimum(connections, slots))
    slowest_s = held_most / busy_rate_rps(pool, held_most)
    if pool.think_s == 0 or slowest_s <= pool.service_s * (1 + 1e-9):
        return held_most / slowest_s if pool.think_s == 0 else _offered(pool, slots, pool.service_s, held)

    def surplus_rps(residence_s: float) -> float:
        offered = _offered(pool, slots, residence_s, held)
        return busy_rate_rps(pool, offered * residence_s) - offered

    fastest_s = held_most / busy_rate_rps(replace(pool, cpu_s=0.0), held_most)
    if surplus_rps(fastest_s) >= 0:
        return _offered(pool, slots, fastest_s, held)
    from scipy.optimize import brentq  # takes longer to import than everything else that a report needs

    root_s = float(brentq(surplus_rps, fastest_s, slowest_s * (1 + 1e-9), rtol=1e-9))
    return _offered(pool, slots, root_s, held)


def _offered(pool: Pool, slots: int, residence_s: float, held: Mapping[int, float]) -> float:
    """Throughput of all workers when a request holds its slot for residence_s (machine-repair chains)."""
    connections = np.array(list(held))
    at_pool = np.arange(1, int(connections.max()) + 1)
    finishing: Floats = np.minimum(at_pool, slots) / residence_s
    thinking = connections[:, None] - at_pool + 1
    with np.errstate(divide="ignore"):
        arriving = np.log(np.maximum(thinking, 0) / pool.think_s)
    odds = stationary(arriving - np.log(finishing))
    return float(np.array(list(held.values())) @ (odds[:, 1:] @ finishing))
