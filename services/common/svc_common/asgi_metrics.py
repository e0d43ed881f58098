"""Counts requests of an ASGI application, as pure ASGI."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Final, cast

from svc_common.metrics import CLIENT_GONE, ServiceMetrics, queued_s

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_Finished = tuple[str, object, int, float, float, bytes | None]

BATCH: Final = 64
"""Finished requests that are noted before they are counted together: counting them one by one, each time
with cold processor caches, costs about twice as much."""


class AsgiMetrics:
    """Outermost ASGI middleware; a request counts as its last byte is handed to the server, or when it failed.

    Whoever has read an answer therefore finds it counted. The route label is the template that the framework
    leaves in `scope["route"]`. Requests are noted in the event loop's thread and counted in batches, the rest of
    them whenever the registry is read.
    """

    def __init__(self, app: AsgiApp, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._in_flight = 0
        self._finished: deque[_Finished] = deque()
        self._flushing = threading.Lock()
        metrics.before_reading(self.flush)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; whatever is not HTTP passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = perf_counter()
        status = 500
        is_counted = False

        def noting_send(message: Message) -> Awaitable[None]:
            nonlocal is_counted, status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not (is_counted or message.get("more_body", False)):
                is_counted = True
                # A server may swallow what is sent to a lost client, as ASGI allows; uvicorn's bound `send` tells.
                is_gone = getattr(getattr(send, "__self__", None), "disconnected", False)
                self._note(scope, CLIENT_GONE if is_gone else status, started_s)
            return send(message)

        self._in_flight += 1
        try:
            await self._app(scope, receive, noting_send)
        finally:
            if not is_counted:
                self._note(scope, 500, started_s)

    def refused(self, scope: Scope) -> None:
        """Count a request that the server answers 503 by itself, without asking the application."""
        self._in_flight += 1
        self._note(scope, 503, perf_counter())

    def flush(self) -> None:
        """Count what is noted; when it returns, every request no longer in flight has been counted."""
        metrics = self._metrics
        with self._flushing:
            metrics.set_in_flight(self._in_flight)
            unix_offset_s = time.time() - perf_counter()
            for _ in range(len(self._finished)):
                method, route, status, started_s, ended_s, header = self._finished.popleft()
                waited_s = None if header is None else queued_s(header, started_s + unix_offset_s)
                metrics.request_finished(
                    method, _template(route), status, ended_s - started_s, queued_s=waited_s, in_flight_change=0.0
                )

    def _note(self, scope: Scope, status: int, started_s: float) -> None:
        """Note a request that is over; `started_s` is of `perf_counter`."""
        header = None
        for name, value in scope["headers"]:
            if name == b"x-request-start":
                header = value
                break
        finished = self._finished
        finished.append((scope["method"], scope.get("route"), status, started_s, perf_counter(), header))
        self._in_flight -= 1
        if len(finished) >= BATCH:
            self.flush()


def _template(route: object) -> str:
    template = getattr(route, "path_format", None) or getattr(route, "path", "")
    return cast(str, template)
