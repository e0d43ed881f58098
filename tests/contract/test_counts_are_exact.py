"""After the drain the metrics equal what was sent, request by request, also when a worker was killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest

Sent = Counter[tuple[str, str, str]]

ORDER = {"name": "bolts", "quantity": 1}
# (method, path, body) and (method, route, status) of the answer
MIX: list[tuple[tuple[str, str, object], tuple[str, str, str]]] = [
    (("GET", "/items/7", None), ("GET", "/items/{id}", "200")),
    (("GET", "/items/9999", None), ("GET", "/items/{id}", "404")),
    (("GET", "/items/x", None), ("GET", "/items/{id}", "422")),
    (("GET", "/items?limit=3", None), ("GET", "/items", "200")),
    (("GET", "/data", None), ("GET", "/data", "200")),
    (("POST", "/data", ORDER), ("POST", "/data", "201")),
    (("POST", "/data", {}), ("POST", "/data", "422")),
    (("POST", "/payload", []), ("POST", "/payload", "200")),
    (("GET", "/hold?s=0.05", None), ("GET", "/hold", "200")),
    (("GET", "/cpu?n=2000", None), ("GET", "/cpu", "200")),
    (("PUT", "/data", None), ("PUT", "(unmatched)", "405")),
    (("GET", "/no/such/path", None), ("GET", "(unmatched)", "404")),
]
CONCURRENT = 300
REQUESTS = 600


def _run(coroutine: Coroutine[Any, Any, Sent]) -> Sent:
    return asyncio.run(coroutine)


async def _load(url: str, requests: int) -> Sent:
    """Send that many requests of the mix, `CONCURRENT` at a time, and count the answers by what they should be."""
    sent: Sent = Counter()
    slots = asyncio.Semaphore(CONCURRENT)

    async def send(number: int, session: aiohttp.ClientSession) -> None:
        (method, path, body), expected = MIX[number % len(MIX)]
        async with slots, session.request(method, url + path, json=body) as response:
            await response.read()
            assert str(response.status) == expected[2]
            sent[expected] += 1

    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(send(number, session) for number in range(requests)))
    return sent


def _counted(service: Any) -> Sent:
    """What the service has counted, without the probes that saw it start."""
    counted: Sent = Counter()
    for labels, count in service.metrics("http_requests_total").items():
        row = dict(labels)
        if row["route"] != "/readyz":
            counted[row["method"], row["route"], row["status"]] = int(count)
    return counted


def _wait_until(is_so: Callable[[], bool]) -> None:
    """Give a service time to get there; whether it did is what the caller asserts."""
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)


def _check_counts(service: Any, sent: Sent, upstream_arrivals: int) -> None:
    _wait_until(lambda: _counted(service).total() >= sent.total())
    assert _counted(service) == sent
    durations: Counter[tuple[str, str]] = Counter()
    for labels, count in service.metrics("http_request_duration_seconds_count").items():
        row = dict(labels)
        durations[row["method"], row["route"]] = int(count)
    for (method, route), count in durations.items():
        if route != "/readyz":
            assert count == sum(sent[key] for key in sent if key[:2] == (method, route))
    assert sum(service.metrics("upstream_requests_total").values()) == upstream_arrivals
    assert service.metrics("upstream_requests_total")[("outcome", "ok"),] == sent["GET", "/data", "200"]


def _check_idle(service: Any) -> None:
    for name in ("http_requests_in_flight", "upstream_requests_in_flight", "worker_slots_busy"):
        _wait_until(lambda name=name: sum(service.metrics(name).values()) == 0)  # type: ignore[misc]
        assert sum(service.metrics(name).values()) == 0, name


def _arrivals(upstream: Any) -> int:
    arrivals: int = upstream.get("/counters").json()["arrivals"]
    return arrivals


def test_counts_of_the_one_async_process_equal_what_was_sent(launch: Callable[..., Any], upstream: Any) -> None:
    service = launch("fastapi_uvicorn")
    before = _arrivals(upstream)
    sent = _run(_load(service.url, REQUESTS))
    assert sent.total() == REQUESTS
    _check_counts(service, sent, _arrivals(upstream) - before)
    _check_idle(service)


def test_what_the_async_server_refuses_by_itself_is_counted_too(launch: Callable[..., Any]) -> None:
    service = launch("fastapi_uvicorn", SVC_LIMIT_CONCURRENCY=20)
    _check_idle(service)
    before = _counted(service)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(asyncio.run, _statuses(service.url + "/hold?s=2", 10))
        _wait_until(lambda: sum(service.metrics("http_requests_in_flight").values()) == 10)
        burst = asyncio.run(_statuses(service.url + "/items/1", 200))
        assert held.result() == {200: 10}
    assert burst[503] > 0
    assert burst.total() == 200
    sent = Counter({("GET", "/hold", "200"): 10, ("GET", "(unmatched)", "503"): burst[503]})
    sent += Counter({("GET", "/items/{id}", "200"): burst[200]})
    assert _counted(service) == before + sent
    _check_idle(service)


async def _statuses(url: str, requests: int) -> Counter[int]:
    """The statuses of so many requests that are sent at once, each on a connection of its own."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask() -> int:
            async with session.get(url) as response:
                await response.read()
                return response.status

        return Counter(await asyncio.gather(*(ask() for _ in range(requests))))


@pytest.mark.parametrize("option", ["SVC_PRELOAD", "SVC_REUSE_PORT"])
def test_counts_stay_exact_when_a_worker_is_killed_and_replaced(
    launch: Callable[..., Any], upstream: Any, option: str
) -> None:
    service = launch("flask_gunicorn", SVC_WORKERS=2, SVC_THREADS=16, **{option: "true"})
    before = _arrivals(upstream)
    _wait_until(lambda: len(service.workers()) == 2)
    sent = _run(_load(service.url, REQUESTS // 2))
    _check_idle(service)

    killed, other = service.workers()
    os.kill(killed, signal.SIGKILL)
    _wait_until(lambda: len(service.workers()) == 2 and killed not in service.workers())
    sent += _run(_load(service.url, REQUESTS // 2))

    _check_counts(service, sent, _arrivals(upstream) - before)
    _check_idle(service)
    alive = {(("pid", str(pid)),) for pid in service.workers()}
    assert (("pid", str(other)),) in alive
    assert set(service.metrics("worker_slots_busy")) == alive
    assert service.metrics("worker_slots") == dict.fromkeys(alive, 16.0)


def test_more_kept_connections_than_threads_queue_and_none_is_refused(launch: Callable[..., Any]) -> None:
    service = launch("flask_gunicorn", SVC_THREADS=4)
    connections = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(1000)]
    try:
        for _ in range(2):
            for connection in connections:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert {_answer(connection) for connection in connections} == {b"200"}
        _wait_until(lambda: sum(service.metrics("worker_connections").values()) == 1000)
        assert sum(service.metrics("worker_connections").values()) == 1000
    finally:
        for connection in connections:
            connection.close()
    _wait_until(lambda: sum(service.metrics("worker_connections").values()) == 0)
    assert service.metrics("http_requests_total")[("method", "GET"), ("route", "/livez"), ("status", "200")] == 2000


def _answer(connection: socket.socket) -> bytes:
    """The status of one answer, read to the end of its body."""
    received = b""
    while b"alive" not in received or not received.endswith(b"}"):
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received[9:12]
