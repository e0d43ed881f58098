"""The ASGI middleware counts each request once, whatever happens to it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from svc_common.asgi_metrics import AsgiMetrics, Message, Receive, Scope, Send
from svc_common.metrics import ServiceMetrics

Serve = Callable[[Any], int]
Eventually = Callable[[Callable[[], bool], str], None]


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics(stack="async")


@pytest.fixture
def serve_app(serve_asgi: Serve, metrics: ServiceMetrics) -> Serve:
    return lambda app: serve_asgi(AsgiMetrics(app, metrics))


def build_app() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("on purpose")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b", b"c"]))

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.1)
        return "late"

    return app


def call(port: int, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def totals(metrics: ServiceMetrics) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "http_requests_total"
    }


def value(metrics: ServiceMetrics, name: str, labels: dict[str, str] | None = None) -> float | None:
    return metrics.registry.get_sample_value(name, labels or {})


def test_every_ending_is_counted_once(serve_app: Serve, metrics: ServiceMetrics, eventually: Eventually) -> None:
    port = serve_app(build_app())
    sent = [
        ("GET", "/items/1", 200),
        ("GET", "/items/2", 200),
        ("GET", "/items/x", 422),
        ("GET", "/boom", 500),
        ("GET", "/stream", 200),
        ("GET", "/nowhere/1", 404),
        ("GET", "/nowhere/2", 404),
        ("DELETE", "/items/1", 405),
        ("PROPFIND", "/nowhere", 404),
    ]
    for method, path, status in sent:
        assert call(port, method, path) == status
    eventually(lambda: value(metrics, "http_requests_in_flight") == 0, "the drain")
    assert totals(metrics) == {
        ("GET", "/items/{item_id}", "200"): 2,
        ("GET", "/items/{item_id}", "422"): 1,
        ("GET", "/boom", "500"): 1,
        ("GET", "/stream", "200"): 1,
        ("GET", "(unmatched)", "404"): 2,
        ("DELETE", "(unmatched)", "405"): 1,
        ("OTHER", "(unmatched)", "404"): 1,
    }
    item = {"method": "GET", "route": "/items/{item_id}"}
    assert value(metrics, "http_request_duration_seconds_count", item) == 3


def test_a_client_that_breaks_off_is_499(serve_app: Serve, metrics: ServiceMetrics, eventually: Eventually) -> None:
    port = serve_app(build_app())
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: value(metrics, "http_requests_in_flight") == 1, "the request to be in flight")
    eventually(lambda: value(metrics, "http_requests_in_flight") == 0, "the request to end")
    assert totals(metrics) == {("GET", "/slow", "499"): 1}


def test_the_queue_is_measured_from_the_header_and_garbage_is_ignored(
    serve_app: Serve, metrics: ServiceMetrics
) -> None:
    port = serve_app(build_app())
    now_s = time.time()
    call(port, "GET", "/items/1", {"X-Request-Start": f"t={now_s - 0.4:.6f}"})
    for garbage in ("t=soon", "t=nan", "t=inf", "t=-inf", "t=", "", f"{now_s}", f"t={now_s + 60}", "t=0"):
        call(port, "GET", "/items/1", {"X-Request-Start": garbage})
    call(port, "GET", "/items/1")
    assert value(metrics, "request_queue_seconds_count") == 1
    assert value(metrics, "request_queue_seconds_bucket", {"le": "0.3"}) == 0
    assert value(metrics, "request_queue_seconds_sum") == pytest.approx(0.4, abs=5.0)


async def drive(app: Any, messages: list[Message]) -> None:
    """One request against an ASGI app without a server."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)


def test_an_error_in_the_middle_of_a_response_is_500(metrics: ServiceMetrics) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("on purpose")

    messages: list[Message] = []
    with pytest.raises(ValueError, match="on purpose"):
        asyncio.run(drive(AsgiMetrics(broken, metrics), messages))
    assert len(messages) == 2
    assert totals(metrics) == {("GET", "(unmatched)", "500"): 1}
    assert value(metrics, "http_requests_in_flight") == 0


def test_an_answer_is_counted_before_its_last_byte_is_sent(metrics: ServiceMetrics) -> None:
    seen: list[float] = []

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            seen.append(sum(totals(metrics).values()))

    asyncio.run(AsgiMetrics(whole, metrics)({"type": "http", "method": "GET", "headers": []}, receive, send))
    assert seen == [1]


def test_work_after_the_last_byte_is_not_part_of_the_request(metrics: ServiceMetrics) -> None:
    seen: list[float | None] = []

    async def with_afterwork(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        seen.append(value(metrics, "http_requests_in_flight"))

    asyncio.run(drive(AsgiMetrics(with_afterwork, metrics), []))
    assert seen == [0]
    assert totals(metrics) == {("GET", "(unmatched)", "204"): 1}
