"""What the process holds: its upstream client, its pool for offloaded work, and the watch over its event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from svc_common import work
from svc_common.clients_async import MeteredAsyncUpstream, open_async_upstream
from svc_common.collector import freeze_imports
from svc_common.cpu_offload import open_cpu_pool
from svc_common.loop_lag import watch_loop
from svc_common.metrics import ServiceMetrics
from svc_common.outbound import describe
from svc_common.settings import Settings

__all__ = ["ServiceProcess", "open_process"]

logger = logging.getLogger("fastapi_uvicorn")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceProcess:
    """The resources of the process, open while its event loop serves."""

    upstream: MeteredAsyncUpstream
    cpu_pool: Executor | None

    async def burn(self, iterations: int) -> int:
        """Run the CPU-bound burst where the settings say. Inline, it blocks the event loop: that is the subject."""
        if self.cpu_pool is None:
            return work.burn(iterations)
        return await asyncio.get_running_loop().run_in_executor(self.cpu_pool, work.burn, iterations)


@asynccontextmanager
async def open_process(settings: Settings, metrics: ServiceMetrics | None) -> AsyncIterator[ServiceProcess]:
    """Make the resources, log the client's limits in one line, and close everything at the end."""
    logger.info(describe(settings))
    upstream = open_async_upstream(settings, None if metrics is None else metrics.upstream)
    cpu_pool = open_cpu_pool(settings.cpu_mode)
    lag = None if metrics is None else metrics.loop_lag
    watch = None if lag is None else asyncio.create_task(watch_loop(lag), name="loop-lag")
    if settings.gc_freeze:
        freeze_imports()
    try:
        yield ServiceProcess(upstream=upstream, cpu_pool=cpu_pool)
    finally:
        if watch is not None:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await upstream.close()
        if cpu_pool is not None:
            cpu_pool.shutdown(cancel_futures=True)
