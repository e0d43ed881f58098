"""Counts requests of an ASGI application, as pure ASGI."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any, Final

from svc_common.metrics import CLIENT_GONE, ServiceMetrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_Headers = Iterable[tuple[bytes, bytes]]
_Finished = tuple[str, object, int, float, float, _Headers]

BATCH: Final = 64
"""Finished requests that are noted before they are counted together: counting them one by one, each time
with cold processor caches, costs about twice as much."""


class AsgiMetrics:
    """Outermost ASGI middleware; a request counts when its last byte is handed over or its client is gone.

    The route label is the template that the framework leaves in `scope["route"]`. Requests are noted in the
    event loop's thread and counted in batches, the rest of them whenever the registry is read.
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
        exchange = _Exchange(self, scope, send)
        self._in_flight += 1
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            if not exchange.is_counted:
                exchange.count(500)

    def finished(self, scope: Scope, status: int, started_s: float) -> None:
        """Note a request that is over; `started_s` is of `perf_counter`."""
        noted = (scope["method"], scope.get("route"), status, started_s, perf_counter(), scope["headers"])
        self._finished.append(noted)
        self._in_flight -= 1
        if len(self._finished) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Count what is noted; when it returns, every request no longer in flight has been counted."""
        metrics = self._metrics
        with self._flushing:
            metrics.set_in_flight(self._in_flight)
            unix_offset_s = time.time() - perf_counter()
            for _ in range(len(self._finished)):
                method, route, status, started_s, ended_s, headers = self._finished.popleft()
                metrics.observe_request(method, _template(route), status, ended_s - started_s)
                header = _queue_header(headers)
                if header is not None:
                    metrics.observe_queue(header, started_s + unix_offset_s)


class _Exchange:
    """One request and its response."""

    __slots__ = ("_middleware", "_scope", "_send", "_started_s", "_status", "is_counted")

    def __init__(self, middleware: AsgiMetrics, scope: Scope, send: Send) -> None:
        self._started_s = perf_counter()
        self._middleware = middleware
        self._scope = scope
        self._send = send
        self._status = 500
        self.is_counted = False

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on; the plain ones without a coroutine of our own."""
        kind = message["type"]
        if kind == "http.response.body" and not message.get("more_body", False):
            return self._send_last(message)
        if kind == "http.response.start":
            self._status = message["status"]
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.count(CLIENT_GONE)
            raise
        # A server may swallow what is sent to a lost client, as ASGI allows; uvicorn's bound `send` tells.
        is_gone = getattr(getattr(self._send, "__self__", None), "disconnected", False)
        self.count(CLIENT_GONE if is_gone else self._status)

    def count(self, status: int) -> None:
        """Count the request, once."""
        if not self.is_counted:
            self.is_counted = True
            self._middleware.finished(self._scope, status, self._started_s)


def _queue_header(headers: _Headers) -> bytes | None:
    for name, value in headers:
        if name == b"x-request-start":
            return value
    return None


def _template(route: object) -> str:
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))
