"""How long a window of a stack waits for its level to settle (method.md section 4)."""

from __future__ import annotations

from loadlab.design.replication import window_warmup_s
from loadlab.model.run import Demand

LONGEST_S = 30.0


def open_settling_s(demand: Demand) -> float:
    """max(1 s, 5 R), at most LONGEST_S, with R the service time: below saturation an open load has no other state."""
    return min(LONGEST_S, window_warmup_s(demand.service_s, 0.0))


def settling_s(demand: Demand, users: int, think_s: float) -> float:
    """max(1 s, 5 (R + Z)), at most LONGEST_S, with R the response time that the demand predicts for these users.

    R is the service time stretched by the queue in front of the pool or of the processor, whichever is longer.
    """
    slots = demand.workers * demand.slots_per_worker if demand.slots_per_worker else None
    pool_s = users * demand.service_s / slots if slots else 0.0
    processor_s = users * (demand.cpu_s_per_request or 0.0)
    response_s = max(demand.service_s, pool_s - think_s, processor_s - think_s)
    return min(LONGEST_S, window_warmup_s(response_s, think_s))
