"""uvicorn, configured by the service's settings: one process, uvloop and httptools."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fastapi_uvicorn.app import create_app
from svc_common.asgi_metrics import AsgiMetrics
from svc_common.metrics import ServiceMetrics
from svc_common.metrics_server import Health
from svc_common.settings import Settings

__all__ = ["StoppableServer", "make_server"]

STUCK_S = 60.0
"""An event loop that has not turned for so long is taken for dead; uvicorn looks in ten times a second."""


class _Stop:
    """Whether the process has been asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False


class StoppableServer(uvicorn.Server):
    """A uvicorn server that lets the application know at once that it is stopping."""

    def __init__(self, config: uvicorn.Config, stop: _Stop) -> None:
        super().__init__(config)
        self._stop = stop
        self._turned_s = time.monotonic()

    @property
    def health(self) -> Health:
        """For the probes of the metrics port, which are answered by a thread."""
        return Health(
            is_alive=lambda: time.monotonic() - self._turned_s < STUCK_S,
            is_ready=lambda: self.started and not self._stop.is_asked,
        )

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn's loop; that it comes at all shows that the event loop turns."""
        self._turned_s = time.monotonic()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler: `/readyz` answers 503 from here on, then uvicorn drains."""
        self._stop.is_asked = True
        super().handle_exit(sig, frame)


def make_server(settings: Settings, metrics: ServiceMetrics | None) -> StoppableServer:
    """The server with its application; `metrics` None leaves the middleware out altogether."""
    stop = _Stop()
    app: Any = create_app(settings, metrics, lambda: stop.is_asked)
    if metrics is None:
        return StoppableServer(_config(settings, app), stop)
    counted = AsgiMetrics(app, metrics)
    return StoppableServer(_config(settings, counted, _counting_refusals(counted.refused)), stop)


def _counting_refusals(refused: Callable[[MutableMapping[str, Any]], None]) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which tells of each request that it answers itself because of `limit_concurrency`."""

    class CountingProtocol(HttpToolsProtocol):
        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            if app is service_unavailable:
                refused(cast(MutableMapping[str, Any], cycle.scope))
            super()._start_asgi_task(cycle, app)

    return CountingProtocol


def _config(settings: Settings, app: Any, protocol: type[HttpToolsProtocol] = HttpToolsProtocol) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        backlog=settings.backlog,
        limit_concurrency=settings.limit_concurrency,
        timeout_keep_alive=settings.keepalive_s,
        timeout_graceful_shutdown=settings.graceful_timeout_s,
    )
