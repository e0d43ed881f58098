"""Counts requests of an ASGI application, as pure ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
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

    Raises:
        ValueError: the metrics were made for the sync stack.
    """

    def __init__(self, app: AsgiApp, metrics: ServiceMetrics) -> None:
        if metrics.in_flight is None:
            raise ValueError("AsgiMetrics needs ServiceMetrics(stack='async')")
        self._app = app
        self._metrics = metrics
        self._in_flight = 0
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; whatever is not HTTP passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, send)
        for name, value in scope["headers"]:
            if name == b"x-request-start":
                self._metrics.observe_queue(value)
                break
        self._in_flight += 1
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            if not exchange.is_counted:
                exchange.count(500)

    def finished(self, scope: Scope, status: int, started_s: float) -> None:
        """One request of `scope` is over."""
        duration_s = perf_counter() - started_s
        self._metrics.observe_request(scope["method"], _route_template(scope), status, duration_s)
        self._in_flight -= 1


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


def _route_template(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", ""))
