"""Counts requests of a WSGI application, as pure WSGI."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from svc_common.metrics import CLIENT_GONE, ServiceMetrics, queued_s

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

RouteOf = Callable[[dict[str, Any]], str]
"""Finds the template of the matched route ("/items/{id}") in the WSGI environment, "" when none has matched.
It is asked when the response starts, because frameworks forget it when they are done."""


class WsgiMetrics:
    """Outermost WSGI middleware; a request counts when the server closes the response's iterable.

    Closed before it was exhausted means that the client broke off: status 499.
    """

    def __init__(self, app: WSGIApplication, metrics: ServiceMetrics, route_of: RouteOf) -> None:
        self._app = app
        self._metrics = metrics
        self._route_of = route_of

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        exchange = _Exchange(self._metrics, self._route_of, environ, start_response)
        self._metrics.request_started()
        try:
            exchange.body = self._app(environ, exchange.start_response)
        except BaseException:
            exchange.count(500)
            raise
        return exchange


class _Exchange:
    """One request and its response: the iterable that the server reads."""

    __slots__ = (
        *("_environ", "_is_counted", "_is_exhausted", "_metrics", "_queued_s", "_route"),
        *("_route_of", "_start", "_started_s", "_status", "body"),
    )
    body: Iterable[bytes]

    def __init__(
        self, metrics: ServiceMetrics, route_of: RouteOf, environ: WSGIEnvironment, start: StartResponse
    ) -> None:
        self._started_s = perf_counter()
        header = environ.get("HTTP_X_REQUEST_START")
        self._queued_s = None if header is None else queued_s(header, time.time())
        self._metrics = metrics
        self._route_of = route_of
        self._route = ""
        self._environ = environ
        self._start = start
        self._status = 500
        self._is_counted = False
        self._is_exhausted = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self._status = int(status[:3])
        self._route = self._route_of(self._environ)
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
            duration_s = perf_counter() - self._started_s
            method = self._environ["REQUEST_METHOD"]
            self._metrics.request_finished(method, self._route, status, duration_s, queued_s=self._queued_s)
