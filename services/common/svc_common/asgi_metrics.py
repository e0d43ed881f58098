"""Counts requests of an ASGI application, as pure ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from svc_common.metrics import CLIENT_GONE, ServiceMetrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiMetrics:
    """Outermost ASGI middleware; a request counts when its last byte is handed over or its client is gone.

    The route label is the template that the framework leaves in `scope["route"]`.
    """

    def __init__(self, app: AsgiApp, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; whatever is not HTTP passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics = self._metrics
        exchange = _Exchange(metrics, scope, send)
        metrics.request_started(_queue_header(scope["headers"]))
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            if not exchange.is_counted:
                exchange.count(500)


class _Exchange:
    """One request and its response."""

    __slots__ = ("_metrics", "_scope", "_send", "_started_s", "_status", "is_counted")

    def __init__(self, metrics: ServiceMetrics, scope: Scope, send: Send) -> None:
        self._started_s = perf_counter()
        self._metrics = metrics
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
            scope = self._scope
            duration_s = perf_counter() - self._started_s
            self._metrics.request_finished(scope["method"], _route_template(scope), status, duration_s)


def _queue_header(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"x-request-start":
            return value
    return None


def _route_template(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))
