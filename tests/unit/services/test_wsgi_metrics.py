"""The WSGI middleware counts each request once, when the server closes the response."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Flask, Response

from svc_common.metrics import ServiceMetrics
from svc_common.wsgi_metrics import WsgiMetrics


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics(stack="sync")


def build_app() -> Flask:
    app = Flask(__name__)

    @app.get("/items/<int:item_id>")
    def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    @app.get("/boom")
    def boom() -> str:
        raise ValueError("on purpose")

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter(["a", "b", "c"]))

    return app


def flask_route(environ: dict[str, Any]) -> str:
    rule = environ["werkzeug.request"].url_rule
    return "" if rule is None else str(rule.rule).replace("<int:item_id>", "{item_id}")


def no_route(_environ: dict[str, Any]) -> str:
    return ""


def busy(metrics: ServiceMetrics) -> float | None:
    return metrics.registry.get_sample_value("http_requests_in_flight")


def totals(metrics: ServiceMetrics) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "http_requests_total"
    }


def open_request(app: Any, environ: dict[str, Any] | None = None) -> Iterable[bytes]:
    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        return lambda _: None

    body: Iterable[bytes] = app({"REQUEST_METHOD": "GET"} | (environ or {}), start_response)
    return body


def close(body: Iterable[bytes]) -> None:
    body.close()  # type: ignore[attr-defined]


def test_every_ending_is_counted_once(metrics: ServiceMetrics) -> None:
    app = build_app()
    app.wsgi_app = WsgiMetrics(app.wsgi_app, metrics, flask_route)  # type: ignore[method-assign]
    client = app.test_client()
    sent = [
        ("GET", "/items/1", 200),
        ("HEAD", "/items/1", 200),
        ("GET", "/boom", 500),
        ("GET", "/stream", 200),
        ("GET", "/nowhere/1", 404),
        ("GET", "/nowhere/2", 404),
        ("DELETE", "/items/1", 405),
        ("BREW", "/nowhere", 404),
    ]
    for method, path, status in sent:
        with client.open(path, method=method) as response:
            assert response.status_code == status
            assert response.data is not None
    assert totals(metrics) == {
        ("GET", "/items/{item_id}", "200"): 1,
        ("HEAD", "/items/{item_id}", "200"): 1,
        ("GET", "/boom", "500"): 1,
        ("GET", "/stream", "200"): 1,
        ("GET", "(unmatched)", "404"): 2,
        ("DELETE", "(unmatched)", "405"): 1,
        ("OTHER", "(unmatched)", "404"): 1,
    }
    assert busy(metrics) == 0


def streaming(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"a"
    if environ.get("fail"):
        raise ValueError("on purpose")
    yield b"b"


def test_a_slot_is_busy_until_the_response_is_closed(metrics: ServiceMetrics) -> None:
    body = open_request(WsgiMetrics(streaming, metrics, no_route))
    assert busy(metrics) == 1
    assert list(body) == [b"a", b"b"]
    assert totals(metrics) == {}
    close(body)
    close(body)
    assert totals(metrics) == {("GET", "(unmatched)", "200"): 1}
    assert busy(metrics) == 0


def test_a_response_closed_before_its_end_is_499(metrics: ServiceMetrics) -> None:
    body = open_request(WsgiMetrics(streaming, metrics, no_route))
    assert next(iter(body)) == b"a"
    close(body)
    assert totals(metrics) == {("GET", "(unmatched)", "499"): 1}


def test_an_error_in_the_middle_of_a_response_is_500(metrics: ServiceMetrics) -> None:
    body = open_request(WsgiMetrics(streaming, metrics, no_route), {"fail": True})
    with pytest.raises(ValueError, match="on purpose"):
        list(body)
    close(body)
    assert totals(metrics) == {("GET", "(unmatched)", "500"): 1}


def test_an_error_before_the_response_is_500(metrics: ServiceMetrics) -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        open_request(WsgiMetrics(broken, metrics, no_route))
    assert totals(metrics) == {("GET", "(unmatched)", "500"): 1}
    assert busy(metrics) == 0


def test_the_body_of_the_application_is_closed(metrics: ServiceMetrics) -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    body = open_request(WsgiMetrics(app, metrics, no_route))
    assert list(body) == [b"x"]
    close(body)
    assert closed == [True]


def test_the_queue_is_measured_from_the_header(metrics: ServiceMetrics) -> None:
    app = WsgiMetrics(streaming, metrics, no_route)
    for header in (f"t={time.time() - 0.4}", "t=soon", f"t={time.time() + 60}"):
        close(open_request(app, {"HTTP_X_REQUEST_START": header}))
    assert metrics.registry.get_sample_value("request_queue_seconds_count") == 1
