"""Injected service time waits for the share that was asked for, and leaves the answer alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from svc_common import injection
from svc_common.injection import InjectedAsgi, InjectedWsgi

WORK_S = 0.2


class Clock:
    """Moves when it is slept on; sleeps are kept."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def read(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(injection, "perf_counter", clock.read)
    monkeypatch.setattr("svc_common.injection.time.sleep", clock.sleep)
    monkeypatch.setattr("svc_common.injection.asyncio.sleep", clock.sleep_async)
    return clock


@pytest.mark.parametrize("ratio", [0.05, 0.10, 0.20, 1.0])
def test_a_wsgi_request_takes_that_share_longer(clock: Clock, ratio: float) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        clock.now_s += WORK_S
        start_response("200 OK", [])
        return [b"answer"]

    told: list[str] = []

    def start_response(status: str, _headers: Any) -> Any:
        told.append(status)

    body = InjectedWsgi(app, ratio)({}, start_response)  # type: ignore[arg-type]
    assert list(body) == [b"answer"]
    assert told == ["200 OK"]
    assert clock.slept_s == pytest.approx([ratio * WORK_S])


@pytest.mark.parametrize("ratio", [0.05, 0.10, 0.20, 1.0])
def test_an_asgi_request_takes_that_share_longer_and_waits_once(clock: Clock, ratio: float) -> None:
    messages = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"an", "more_body": True},
        {"type": "http.response.body", "body": b"swer"},
    ]
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.now_s += WORK_S
        for message in messages:
            await send(message)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    asyncio.run(InjectedAsgi(app, ratio)({"type": "http"}, receive, send))
    assert sent == messages
    assert clock.slept_s == pytest.approx([ratio * WORK_S])


def test_what_is_not_http_is_not_delayed(clock: Clock) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Any) -> None:
        seen.append(message)

    async def receive() -> Any:
        return {}

    asyncio.run(InjectedAsgi(app, 0.5)({"type": "lifespan"}, receive, send))
    assert len(seen) == 1
    assert clock.slept_s == []
