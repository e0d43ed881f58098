"""How late the event loop wakes a sleeping task: the direct sign of a starved loop."""

from __future__ import annotations

import asyncio
from typing import Final

from svc_common.metrics import Distribution

INTERVAL_S: Final = 0.05


async def watch_loop(lag: Distribution, *, interval_s: float = INTERVAL_S) -> None:
    """Record the lateness of a timer every `interval_s`, until cancelled.

    A loop that is blocked for long yields one late reading, not one per missed interval.
    """
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        lag.observe(max(0.0, loop.time() - due_s))
