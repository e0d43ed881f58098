"""The upstream over a real socket: what it counts is what was sent."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from upstream.app import UpstreamApp
from upstream.settings import UpstreamSettings

Fetch = Callable[[str], str]


def app_with(**settings: str) -> UpstreamApp:
    environ = {f"UPSTREAM_{name.upper()}": value for name, value in settings.items()}
    return UpstreamApp(UpstreamSettings.from_env(environ))


def statuses(port: int, paths: list[str], method: str = "GET") -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    found = []
    for path in paths:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        found.append(response.status)
    connection.close()
    return found


def test_every_request_of_many_connections_is_counted_once(serve_asgi: Callable[[Any], int], fetch: Fetch) -> None:
    port = serve_asgi(app_with(latency="constant(5ms)"))
    with ThreadPoolExecutor(20) as pool:
        sent = list(pool.map(lambda n: statuses(port, [f"/quote/{n}?q={i}" for i in range(15)]), range(20)))
    assert [status for part in sent for status in part] == [200] * 300
    counters = json.loads(fetch(f"http://127.0.0.1:{port}/counters"))
    assert counters == {
        "arrivals": 300,
        "answered": 300,
        "rejected": 0,
        "errors": 0,
        "broken_off": 0,
        "in_flight": 0,
    }
    metrics = fetch(f"http://127.0.0.1:{port}/metrics").splitlines()
    assert "upstream_arrivals_total 300" in metrics
    assert "upstream_in_flight 0" in metrics


def test_injected_errors_repeat_by_seed(serve_asgi: Callable[[Any], int]) -> None:
    first, again = (app_with(latency="constant(0ms)", error_ratio="0.3", seed="5") for _ in range(2))
    found = statuses(serve_asgi(first), ["/"] * 100)
    assert found == statuses(serve_asgi(again), ["/"] * 100)
    assert first.counters.errors == found.count(500)
    assert first.counters.answered == found.count(200)
    assert 15 <= found.count(500) <= 45


def test_the_quota_rejects_with_retry_after(serve_asgi: Callable[[Any], int]) -> None:
    app = app_with(latency="constant(0ms)", quota_rps="0.01", quota_burst="3")
    port = serve_asgi(app)
    assert statuses(port, ["/"] * 5) == [200, 200, 200, 429, 429]
    assert (app.counters.arrivals, app.counters.answered, app.counters.rejected) == (5, 3, 2)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    retry_after = connection.getresponse().headers["Retry-After"]
    connection.close()
    assert 90 <= int(retry_after) <= 100


def test_only_get_is_answered_and_own_pages_are_not_counted(serve_asgi: Callable[[Any], int]) -> None:
    app = app_with(latency="constant(0ms)")
    port = serve_asgi(app)
    assert statuses(port, ["/quote"], "POST") == [405]
    assert statuses(port, ["/readyz", "/counters", "/metrics"]) == [200, 200, 200]
    assert app.counters.arrivals == 0


def test_a_reset_starts_the_schedule_anew_and_leaves_the_counts_alone(
    serve_asgi: Callable[[Any], int], fetch: Fetch
) -> None:
    now_s = [100.0]
    settings = UpstreamSettings.from_env({"UPSTREAM_LATENCY": "steps(0ms@0s, 60s@30s)"})
    app = UpstreamApp(settings, clock=lambda: now_s[0])
    port = serve_asgi(app)
    now_s[0] += 31.0
    assert statuses(port, ["/schedule/reset"], "POST") == [200]
    assert statuses(port, ["/quote", "/quote"]) == [200, 200]
    assert (app.counters.arrivals, app.counters.answered) == (2, 2)
    assert "upstream_schedule_resets_total 1" in fetch(f"http://127.0.0.1:{port}/metrics").splitlines()
    assert statuses(port, ["/schedule", "/counters"], "POST") == [405, 405]


def test_a_client_that_leaves_is_neither_answered_nor_in_flight(
    serve_asgi: Callable[[Any], int], eventually: Callable[..., None]
) -> None:
    app = app_with(latency="constant(100ms)")
    with socket.create_connection(("127.0.0.1", serve_asgi(app)), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: app.counters.in_flight == 1, "the request to arrive")
    eventually(lambda: app.counters.in_flight == 0, "the latency to pass")
    assert (app.counters.broken_off, app.counters.answered) == (1, 0)


def test_the_process_answers_and_stops_with_code_0(
    spawn: Callable[..., subprocess.Popen[str]],
    services_env: dict[str, str],
    free_port: int,
    fetch: Fetch,
    eventually: Callable[..., None],
) -> None:
    environ = services_env | {"UPSTREAM_PORT": str(free_port), "UPSTREAM_LATENCY": "constant(1ms)"}
    child = spawn("-m", "upstream", env=environ)

    def is_ready() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", free_port)) == 0

    eventually(is_ready, "the upstream to listen")
    assert json.loads(fetch(f"http://127.0.0.1:{free_port}/quote"))["source"] == "upstream"
    child.send_signal(signal.SIGTERM)
    _, stderr = child.communicate(timeout=20)
    assert (child.returncode, stderr) == (0, "")


@pytest.mark.parametrize("environ", [{"UPSTREAM_PORT": "0"}, {"UPSTREAM_LATENCY": "slow"}])
def test_a_bad_setting_ends_the_process_with_code_2(
    spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str], environ: dict[str, str]
) -> None:
    child = spawn("-m", "upstream", env=services_env | environ)
    _, stderr = child.communicate(timeout=20)
    assert child.returncode == 2
    assert len(stderr.splitlines()) == 1
    assert next(iter(environ)) in stderr


def test_an_upstream_whose_port_is_taken_says_so_in_one_line_with_code_2(
    spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        taken = taker.getsockname()[1]
        child = spawn("-m", "upstream", env=services_env | {"UPSTREAM_PORT": str(taken)})
        _, stderr = child.communicate(timeout=20)
    assert child.returncode == 2
    (line,) = stderr.splitlines()
    assert line.startswith(f"settings: UPSTREAM_PORT={taken}: cannot listen on 127.0.0.1 ")
