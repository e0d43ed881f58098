"""What one worker process holds: its upstream client, its pool for offloaded work, and whether it is stopping."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from svc_common import work
from svc_common.clients_sync import MeteredUpstream, upstream_opener
from svc_common.collector import freeze_imports
from svc_common.cpu_offload import open_cpu_pool
from svc_common.metrics import ServiceMetrics
from svc_common.outbound import describe
from svc_common.settings import Settings

__all__ = ["WorkerProcess", "process_opener"]

logger = logging.getLogger("gunicorn.error")


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerProcess:
    """The resources of this process. `is_stopping` tells whether it has been asked to stop."""

    upstream: MeteredUpstream
    cpu_pool: Executor | None
    is_stopping: Callable[[], bool]

    def burn(self, iterations: int) -> int:
        """Run the CPU-bound burst where the settings say and wait for it."""
        if self.cpu_pool is None:
            return work.burn(iterations)
        return self.cpu_pool.submit(work.burn, iterations).result()

    def close(self) -> None:
        """Give everything back; requests must be over."""
        self.upstream.close()
        if self.cpu_pool is not None:
            self.cpu_pool.shutdown(cancel_futures=True)


def process_opener(settings: Settings, metrics: ServiceMetrics | None) -> Callable[[Callable[[], bool]], WorkerProcess]:
    """What makes the resources of a worker, after the fork, and logs the client's limits in one line."""
    open_upstream = upstream_opener(settings)

    def open_process(is_stopping: Callable[[], bool]) -> WorkerProcess:
        logger.info(describe(settings))
        upstream = open_upstream(None if metrics is None else metrics.upstream)
        process = WorkerProcess(upstream=upstream, cpu_pool=open_cpu_pool(settings.cpu_mode), is_stopping=is_stopping)
        if settings.gc_freeze:
            freeze_imports(is_forked=settings.preload)
        return process

    return open_process
