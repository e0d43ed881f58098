"""uvicorn, configured by the service's settings: one process, uvloop and httptools."""

from __future__ import annotations

from types import FrameType
from typing import Any, cast

import uvicorn

from fastapi_uvicorn.app import create_app
from svc_common.asgi_metrics import AsgiMetrics
from svc_common.metrics import ServiceMetrics
from svc_common.settings import Settings

__all__ = ["StoppableServer", "make_server"]


class _Stop:
    """Whether the process has been asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False


class StoppableServer(uvicorn.Server):
    """A uvicorn server that lets the application know at once that it is stopping."""

    def __init__(self, config: uvicorn.Config, stop: _Stop) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler: `/readyz` answers 503 from here on, then uvicorn drains."""
        self._stop.is_asked = True
        super().handle_exit(sig, frame)


def make_server(settings: Settings, metrics: ServiceMetrics | None) -> StoppableServer:
    """The server with its application; `metrics` None leaves the middleware out altogether."""
    stop = _Stop()
    app: Any = create_app(settings, metrics, lambda: stop.is_asked)
    if metrics is not None:
        app = AsgiMetrics(app, metrics)
    return StoppableServer(_config(settings, app), stop)


def _config(settings: Settings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
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
