"""Counts requests of a WSGI application, as pure WSGI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from svc_common.metrics import CLIENT_GONE, ServiceMetrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE_KEY = "svc.route"
"""The application leaves its route template ("/items/{id}") in the WSGI environment under this key."""


class WsgiMetrics:
    """Outermost WSGI middleware; a request counts when the server closes the response's iterable.

    Closed before it was exhausted means that the client broke off: status 499.

    Raises:
        ValueError: the metrics were made for the async stack.
    """

    def __init__(self, app: WSGIApplication, metrics: ServiceMetrics) -> None:
        if metrics.slots_busy is None:
            raise ValueError("WsgiMetrics needs ServiceMetrics(stack='sync')")
        self._app = app
        self._metrics = metrics
        self._slots_busy = metrics.slots_busy

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        exchange = _Exchange(self, environ, start_response)
        header = environ.get("HTTP_X_REQUEST_START")
        if header is not None:
            self._metrics.observe_queue(header)
        self._slots_busy.inc()
        try:
            exchange.body = self._app(environ, exchange.start_response)
        except BaseException:
            exchange.count(500)
            raise
        return exchange

    def finished(self, environ: WSGIEnvironment, status: int, started_s: float) -> None:
        """One request of `environ` is over."""
        duration_s = perf_counter() - started_s
        route = environ.get(ROUTE_KEY, "")
        self._metrics.observe_request(environ["REQUEST_METHOD"], route, status, duration_s)
        self._slots_busy.dec()


class _Exchange:
    """One request and its response: the iterable that the server reads."""

    __slots__ = (
        *("_environ", "_is_counted", "_is_exhausted", "_iterator", "_middleware", "_start"),
        *("_started_s", "_status", "body"),
    )
    body: Iterable[bytes]

    def __init__(self, middleware: WsgiMetrics, environ: WSGIEnvironment, start: StartResponse) -> None:
        self._started_s = perf_counter()
        self._middleware = middleware
        self._environ = environ
        self._start = start
        self._status = 500
        self._is_counted = False
        self._is_exhausted = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self._status = int(status[:3])
        return self._start(status, headers, exc_info) if exc_info else self._start(status, headers)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.body
        except GeneratorExit:
            raise
        except BaseException:
            self._status = 500
            self._is_exhausted = True
            raise
        self._is_exhausted = True

    def close(self) -> None:
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.count(self._status if self._is_exhausted else CLIENT_GONE)

    def count(self, status: int) -> None:
        """Count the request, once."""
        if not self._is_counted:
            self._is_counted = True
            self._middleware.finished(self._environ, status, self._started_s)
