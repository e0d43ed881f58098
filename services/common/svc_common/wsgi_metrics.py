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
    """

    def __init__(self, app: WSGIApplication, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        metrics = self._metrics
        exchange = _Exchange(metrics, environ, start_response)
        metrics.request_started(environ.get("HTTP_X_REQUEST_START"))
        try:
            exchange.body = self._app(environ, exchange.start_response)
        except BaseException:
            exchange.count(500)
            raise
        return exchange


class _Exchange:
    """One request and its response: the iterable that the server reads."""

    __slots__ = (
        *("_environ", "_is_counted", "_is_exhausted", "_iterator", "_metrics", "_start"),
        *("_started_s", "_status", "body"),
    )
    body: Iterable[bytes]

    def __init__(self, metrics: ServiceMetrics, environ: WSGIEnvironment, start: StartResponse) -> None:
        self._started_s = perf_counter()
        self._metrics = metrics
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
            environ = self._environ
            duration_s = perf_counter() - self._started_s
            route = environ.get(ROUTE_KEY, "")
            self._metrics.request_finished(environ["REQUEST_METHOD"], route, status, duration_s)
