"""What the upstream does wrong comes out as 502, 504 or 429, from every client strategy, and nothing is repeated."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import httpx
import pytest

from svc_common.clients_async import open_async_upstream
from svc_common.clients_sync import upstream_opener
from svc_common.settings import ClientKind, Settings, Stack
from svc_common.upstream_answer import Ok, UpstreamAnswer, UpstreamFailed, UpstreamQuota, UpstreamTimeout

TIMEOUT_S = 0.5
STRATEGIES = [
    (stack, kind)
    for stack, excluded in (("sync", "pooled_aiohttp"), ("async", "pooled_urllib3"))
    for kind in get_args(ClientKind)
    if kind != excluded
]

BOUND_BY_STEP = (("sync", "pooled"), ("sync", "per_request"))
"""Listed in the contract under `upstream-time-out`."""


class _Scripted(ThreadingHTTPServer):
    """An upstream that does what the first part of the path says, and remembers what arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Scripted

    def do_GET(self) -> None:
        deed = self.path.split("/")[1]
        self.server.arrived.append(deed)
        if deed == "late":
            time.sleep(2 * TIMEOUT_S)
        if deed.startswith("trickle"):
            self._trickle(in_head=deed == "trickle_in_head")
            return
        if deed == "gone" or (deed == "gone_when_reused" and self.server.arrived.count(deed) > 1):
            self.close_connection = True
            return
        status = {"quota": 429, "error": 500, "moved": 302, "forbidden": 403}.get(deed, 200)
        body = b'{"quote":42}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "7")
        self.send_header("Location", "/ok")
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self, *, in_head: bool) -> None:
        """A byte well within any time-out of a single step, again and again, for four times the time-out."""
        self.close_connection = True
        self.send_response(200)
        if not in_head:
            self.send_header("Content-Length", "40")
            self.end_headers()
        else:
            self.flush_headers()
            self.wfile.write(b"X-Slow: ")
        for _ in range(40):
            time.sleep(TIMEOUT_S / 10)
            self.wfile.write(b"1")

    def handle_one_request(self) -> None:
        """One request, or the end of a client that has lost patience."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def scripted() -> Iterator[_Scripted]:
    server = _Scripted()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _calls(stack: Stack, kind: str, url: str, count: int) -> list[UpstreamAnswer]:
    """The answers to `count` calls, one after the other, through one client."""
    variables = {"SVC_CLIENT": kind, "SVC_UPSTREAM_URL": url, "SVC_CLIENT_TIMEOUT_S": str(TIMEOUT_S)}
    settings = Settings.from_env(variables, stack=stack)

    async def call_async() -> list[UpstreamAnswer]:
        client = open_async_upstream(settings, None)
        answers = [await client.quote() for _ in range(count)]
        await client.close()
        return answers

    if stack == "async":
        return asyncio.run(call_async())
    client = upstream_opener(settings)(None)
    answers = [client.quote() for _ in range(count)]
    client.close()
    return answers


@pytest.mark.parametrize(("stack_kind", "strategy"), STRATEGIES)
@pytest.mark.parametrize(
    ("deed", "answer"),
    [
        ("ok", Ok(b'{"quote":42}')),
        ("quota", UpstreamQuota(7)),
        ("late", UpstreamTimeout()),
        ("error", UpstreamFailed("status 500")),
        ("moved", UpstreamFailed("status 302")),
        ("forbidden", UpstreamFailed("status 403")),
    ],
)
def test_every_strategy_tells_the_same_of_one_call(
    scripted: _Scripted, stack_kind: Stack, strategy: str, deed: str, answer: UpstreamAnswer
) -> None:
    url = f"http://127.0.0.1:{scripted.server_port}/{deed}"
    assert _calls(stack_kind, strategy, url, 1) == [answer]
    assert scripted.arrived == [deed]


@pytest.mark.parametrize(("stack_kind", "strategy"), [pair for pair in STRATEGIES if pair not in BOUND_BY_STEP])
@pytest.mark.parametrize("deed", ["trickle", "trickle_in_head"])
def test_the_time_out_bounds_the_whole_call_where_each_step_is_quick(
    scripted: _Scripted, stack_kind: Stack, strategy: str, deed: str
) -> None:
    assert _calls(stack_kind, strategy, f"http://127.0.0.1:{scripted.server_port}/{deed}", 1) == [UpstreamTimeout()]


@pytest.mark.parametrize("strategy", ["pooled", "per_request"])
def test_the_listed_difference_httpx_without_a_loop_bounds_each_step_only(scripted: _Scripted, strategy: str) -> None:
    url = f"http://127.0.0.1:{scripted.server_port}/trickle"
    assert _calls("sync", strategy, url, 1) == [Ok(b"1" * 40)]


@pytest.mark.parametrize(("stack_kind", "strategy"), STRATEGIES)
def test_a_broken_connection_is_a_failure_and_is_not_tried_again(
    scripted: _Scripted, stack_kind: Stack, strategy: str
) -> None:
    url = f"http://127.0.0.1:{scripted.server_port}/gone_when_reused"
    first, second = _calls(stack_kind, strategy, url, 2)
    assert isinstance(first, Ok)
    assert isinstance(second, UpstreamFailed)
    assert len(scripted.arrived) == 2


@pytest.mark.parametrize(("stack_kind", "strategy"), STRATEGIES)
def test_nobody_listening_is_a_failure(stack_kind: Stack, strategy: str) -> None:
    (answer,) = _calls(stack_kind, strategy, "http://127.0.0.1:9", 1)
    assert isinstance(answer, UpstreamFailed)


def _error(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_client_of_the_service_sees_502_504_and_429(launch: Callable[..., Any], stack_name: str) -> None:
    upstream = launch("upstream", UPSTREAM_LATENCY="constant(1ms)", UPSTREAM_QUOTA_RPS="0.1", UPSTREAM_QUOTA_BURST="1")
    service = launch(stack_name, SVC_UPSTREAM_URL=upstream.url, SVC_CLIENT_TIMEOUT_S="0.5")
    port = {"UPSTREAM_PORT": upstream.port}

    assert service.get("/data").status_code == 200
    limited = service.get("/data")
    assert _error(limited) == (429, "upstream_quota")
    assert 1 <= int(limited.headers["retry-after"]) <= 10
    upstream.stop()

    assert _error(service.get("/data")) == (502, "upstream_failed")

    slow = launch("upstream", UPSTREAM_LATENCY="constant(5s)", **port)
    assert _error(service.get("/data")) == (504, "upstream_timeout")
    slow.stop()

    launch("upstream", UPSTREAM_LATENCY="constant(1ms)", UPSTREAM_ERROR_RATIO="1", **port)
    assert _error(service.get("/data")) == (502, "upstream_failed")

    outcomes = {dict(labels)["outcome"]: count for labels, count in service.metrics("upstream_requests_total").items()}
    assert outcomes == {"ok": 1, "quota": 1, "failed": 2, "timeout": 1}
    assert sum(service.metrics("upstream_requests_in_flight").values()) == 0
