"""How long a window of a stack waits for its level to settle (method.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from loadlab.design.replication import window_warmup_s
from loadlab.model.run import Demand

LONGEST_S = 30.0


OPEN_LEAD_S = 0.5
"""A schedule of arrivals begins so long after it was ordered, so that every worker has heard of it."""


def open_settling_s(demands: Sequence[Demand]) -> float:
    """max(1 s, 5 R), at most LONGEST_S, of load: R is the longest service time of all stacks.

    Below saturation an open load has no other state. It is the same for all stacks, so that the windows of a pair see
    the same part of their common schedule, steps of the rate included.
    """
    longest_s = max(demand.service_s for demand in demands)
    return OPEN_LEAD_S + min(LONGEST_S, window_warmup_s(longest_s, 0.0))


def settling_s(demand: Demand, users: int, think_s: float) -> float:
    """max(1 s, 5 (R + Z)), at most LONGEST_S, with R the response time that the demand predicts for these users.

    R is the service time stretched by the queue in front of the pool or of the processor, whichever is longer.
    """
    slots = demand.workers * demand.slots_per_worker if demand.slots_per_worker else None
    pool_s = users * demand.service_s / slots if slots else 0.0
    processor_s = users * (demand.cpu_s_per_request or 0.0)
    response_s = max(demand.service_s, pool_s - think_s, processor_s - think_s)
    return min(LONGEST_S, window_warmup_s(response_s, think_s))
