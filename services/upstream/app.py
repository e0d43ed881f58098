"""The upstream's ASGI application."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from upstream.quota import TokenBucket, retry_after_s
from upstream.settings import UpstreamSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SCHEDULE_RESET = "/schedule/reset"
QUOTE_BODY = b'{"quote":"The early request gets the worker.","source":"upstream"}'
ERROR_BODY = b'{"error":"injected failure"}'
QUOTA_BODY = b'{"error":"quota exceeded"}'

_JSON = (b"content-type", b"application/json")


@dataclass(slots=True)
class Counters:
    """Requests since the start; always arrivals = answered + rejected + errors + broken_off + in_flight.

    `answered` were answered 200, `rejected` 429, `errors` 500; the client of a `broken_off` one left first.
    """

    arrivals: int = 0
    answered: int = 0
    rejected: int = 0
    errors: int = 0
    broken_off: int = 0
    in_flight: int = 0


class UpstreamApp:
    """Answers any GET after the latency; /counters, /readyz and /metrics at once and uncounted.

    The times of `steps(...)` count from the start, or from the last `POST /schedule/reset`, which is not counted
    either and changes nothing else: counts, quota and random draws go on, and so does what is in flight.
    The seed gives latencies and errors streams of their own, so the n-th arrival's draws depend on n alone.
    when_ready is called once, when the server has loaded all that it needs and before it answers.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        when_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.counters = Counters()
        self._when_ready = when_ready
        self._clock = clock
        self._schedule_started_s = clock()
        self._schedule_resets = 0
        self._latency = settings.latency
        self._error_ratio = settings.error_ratio
        self._latency_rng = random.Random(f"latency {settings.seed}")
        self._error_rng = random.Random(f"error {settings.seed}")
        self._bucket: TokenBucket | None = None
        if settings.quota_rps is not None:
            self._bucket = TokenBucket(
                rate_rps=settings.quota_rps, burst=settings.quota_burst, now_s=self._schedule_started_s
            )
        self._own_paths: dict[str, Callable[[], tuple[bytes, bytes]]] = {
            "/counters": self._counters_page,
            "/metrics": self._metrics_page,
            "/readyz": lambda: (b"application/json", b'{"status":"ready"}'),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"only HTTP is answered, got {scope['type']}")
        elif scope["method"] == "POST" and scope["path"] == SCHEDULE_RESET:
            await _answer(send, 200, self._reset_schedule(), [_JSON])
        elif scope["method"] != "GET":
            await _answer(send, 405, b'{"error":"only GET is answered"}', [_JSON, (b"allow", b"GET")])
        elif (page := self._own_paths.get(scope["path"])) is not None:
            content_type, body = page()
            await _answer(send, 200, body, [(b"content-type", content_type)])
        else:
            await self._quote(send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._when_ready()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _quote(self, send: Send) -> None:
        counters = self.counters
        counters.arrivals += 1
        now_s = self._clock()
        wait_s = 0.0 if self._bucket is None else self._bucket.take(now_s)
        if wait_s > 0.0:
            retry_after = str(retry_after_s(wait_s)).encode()
            counters.rejected += 1
            await _answer(send, 429, QUOTA_BODY, [_JSON, (b"retry-after", retry_after)])
            return
        latency_s = self._latency.draw_s(now_s - self._schedule_started_s, self._latency_rng)
        is_error = self._error_rng.random() < self._error_ratio
        counters.in_flight += 1
        is_over = False
        try:
            await asyncio.sleep(latency_s)
            await _answer(send, 500 if is_error else 200, ERROR_BODY if is_error else QUOTE_BODY, [_JSON])
            is_over = not _is_gone(send)
        finally:
            counters.in_flight -= 1
            self._count_end(is_over=is_over, is_error=is_error)

    def _count_end(self, *, is_over: bool, is_error: bool) -> None:
        if not is_over:
            self.counters.broken_off += 1
        elif is_error:
            self.counters.errors += 1
        else:
            self.counters.answered += 1

    def _reset_schedule(self) -> bytes:
        self._schedule_started_s = self._clock()
        self._schedule_resets += 1
        return json.dumps({"schedule_resets": self._schedule_resets}).encode()

    def _counters_page(self) -> tuple[bytes, bytes]:
        return b"application/json", json.dumps(asdict(self.counters)).encode()

    def _metrics_page(self) -> tuple[bytes, bytes]:
        counts = asdict(self.counters)
        in_flight = counts.pop("in_flight")
        lines = ["# TYPE upstream_in_flight gauge", f"upstream_in_flight {in_flight}"]
        for name, value in (counts | {"schedule_resets": self._schedule_resets}).items():
            lines += [f"# TYPE upstream_{name}_total counter", f"upstream_{name}_total {value}"]
        return b"text/plain; version=0.0.4; charset=utf-8", ("\n".join(lines) + "\n").encode()


def _is_gone(send: Send) -> bool:
    """Whether the client left before the answer; uvicorn's bound `send` swallows what nobody reads."""
    return bool(getattr(getattr(send, "__self__", None), "disconnected", False))


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
