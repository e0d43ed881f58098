"""Service time made longer on purpose, by a known share: the control that shows what a run can see.

Off unless `SVC_INJECTED_SERVICE_RATIO` is above zero, and then named by the report of the run. Both wait after the
work is done and before the answer goes out, in the way of their execution model: the sync one keeps its thread, the
async one gives the event loop away. Waiting is exact to the timer's resolution (about 0.1 ms for a thread, 1 ms for
the event loop).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from svc_common.asgi_metrics import AsgiApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class InjectedWsgi:
    """WSGI middleware: every request takes ``ratio`` longer than it did."""

    def __init__(self, app: WSGIApplication, ratio: float) -> None:
        self._app = app
        self._ratio = ratio

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, later."""
        started_s = perf_counter()
        body = self._app(environ, start_response)
        time.sleep(self._ratio * (perf_counter() - started_s))
        return body


class InjectedAsgi:
    """ASGI middleware: every HTTP request takes ``ratio`` longer than it did until its answer starts."""

    def __init__(self, app: AsgiApp, ratio: float) -> None:
        self._app = app
        self._ratio = ratio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; whatever is not HTTP passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = perf_counter()

        async def late_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(self._ratio * (perf_counter() - started_s))
            await send(message)

        await self._app(scope, receive, late_send)
