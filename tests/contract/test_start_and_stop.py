"""A bad setting stops the start with one line; SIGTERM answers what is in flight and leaves nothing behind."""

from __future__ import annotations

import asyncio
import runpy
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest

from fastapi_uvicorn.app import create_app
from fastapi_uvicorn.server import STUCK_S, make_server
from flask_gunicorn.__main__ import CONFIG_FILE
from svc_common.settings import Settings


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SVC_AUTH": "jwt", "SVC_JWT_SECRET": "short"}, "SVC_JWT_SECRET=(hidden)"),
        ({"SVC_THREAD": "4"}, "SVC_THREAD is not a known setting: did you mean SVC_THREADS?"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line_and_code_2(
    run_to_end: Callable[..., Any], stack_name: str, variables: dict[str, str], told: str
) -> None:
    ended = run_to_end(stack_name, **variables)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert len((ended.stdout + ended.stderr).splitlines()) == 1


@pytest.mark.parametrize("variable", ["SVC_PORT", "SVC_METRICS_PORT"])
def test_a_port_that_is_taken_is_told_in_one_line(
    run_to_end: Callable[..., Any], stack_name: str, both: tuple[Any, Any], variable: str
) -> None:
    taken = both[0].port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    ports = {"SVC_PORT": free, "SVC_METRICS_PORT": free, variable: taken}
    ended = run_to_end(stack_name, **ports)
    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("settings: ")]
    assert line.startswith(f"settings: {variable}={taken}: cannot listen on 127.0.0.1 ")
    assert "Traceback" not in ended.stderr


def test_an_address_of_another_machine_is_told_by_its_own_variable(
    run_to_end: Callable[..., Any], stack_name: str
) -> None:
    ended = run_to_end(stack_name, SVC_HOST="192.0.2.1")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("settings: SVC_HOST=192.0.2.1: cannot listen there ")
    assert line.endswith("expected an address of this machine")


def test_every_interface_means_both_families(launch: Callable[..., Any], stack_name: str) -> None:
    is_dual = socket.has_dualstack_ipv6()
    service = launch(stack_name, SVC_HOST="::" if is_dual else "0.0.0.0")
    for address in ("127.0.0.1", "::1") if is_dual else ("127.0.0.1",):
        for port, path in ((service.port, "/readyz"), (service.metrics_port, "/metrics")):
            with socket.create_connection((address, port), timeout=20) as connection:
                connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                assert connection.recv(4096).split()[1] == b"200"


def test_the_limits_of_the_client_are_logged_once_at_start(stack: Any) -> None:
    lines = [line for line in stack.log.splitlines() if "upstream client: strategy=pooled_" in line]
    assert len(lines) == 1
    assert "timeout_s=30 " in lines[0]
    assert lines[0].endswith("retries=0")


def _in_flight(service: Any) -> float:
    rows = [*service.metrics("http_requests_in_flight").values(), *service.metrics("worker_slots_busy").values()]
    return float(sum(rows))


def test_sigterm_answers_what_is_in_flight_and_leaves_no_process_and_no_folder(
    launch: Callable[..., Any], stack_name: str
) -> None:
    service = launch(stack_name, SVC_CPU_MODE="process")
    assert service.get("/cpu?n=100").status_code == 200
    children = psutil.Process(service.process.pid).children(recursive=True)
    folders = _metric_folders([service.process.pid, *service.workers()])
    assert bool(folders) == (stack_name == "flask_gunicorn")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(service.get, "/hold?s=1")
        _wait_until(lambda: _in_flight(service) >= 1)
        assert service.stop() == 0
        assert held.result().json() == {"held_s": 1.0}
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert [folder for folder in folders if folder.exists()] == []
    assert "Traceback" not in service.log


def _metric_folders(pids: list[int]) -> list[Path]:
    """The folders of metric files that these processes have mapped."""
    maps = "".join(Path(f"/proc/{pid}/maps").read_text(encoding="utf-8") for pid in pids)
    return [folder for folder in Path("/dev/shm").glob("svc-metrics-*") if str(folder) in maps]


def _probe(service: Any, path: str) -> int:
    """The status of a probe where Kubernetes asks: on the metrics port."""
    return httpx.get(f"http://127.0.0.1:{service.metrics_port}{path}", trust_env=False, verify=False).status_code


@pytest.mark.parametrize("metrics", ["on", "off"])
def test_a_stack_that_is_full_stays_alive_and_ready_where_probes_ask(
    launch: Callable[..., Any], stack_name: str, metrics: str
) -> None:
    """Its own port refuses or queues by its limits: that is measured, and no reason to take it out of its Service."""
    limits = {"flask_gunicorn": {"SVC_THREADS": 1}, "fastapi_uvicorn": {"SVC_LIMIT_CONCURRENCY": 2}}
    service = launch(stack_name, SVC_METRICS=metrics, **limits[stack_name])
    with ThreadPoolExecutor(1) as pool:
        held = _filled(pool, service)
        assert [_probe(service, path) for path in ("/readyz", "/livez")] == [200, 200]
        assert not held.done()
        assert held.result().status_code == 200
    assert service.get("/readyz").status_code == 200


def _filled(pool: ThreadPoolExecutor, service: Any) -> Future[Any]:
    """A request that has the service to itself; it is sent again where it was refused for one that asks whether so."""
    for _ in range(20):
        held = pool.submit(service.get, "/hold?s=8")
        _wait_until(lambda held=held: held.done() or not _answers(service))  # type: ignore[misc]
        if not held.done():
            return held
    pytest.fail("the service was never full")


def _answers(service: Any) -> bool:
    try:
        return bool(httpx.get(f"{service.url}/readyz", trust_env=False, verify=False, timeout=0.3).status_code == 200)
    except httpx.TimeoutException:
        return False


def test_a_stack_that_stops_is_not_ready_where_probes_ask_and_is_alive_to_the_end(
    launch: Callable[..., Any], stack_name: str
) -> None:
    service = launch(stack_name)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(service.get, "/hold?s=3")
        _wait_until(lambda: _in_flight(service) >= 1)
        service.process.send_signal(signal.SIGTERM)
        _wait_until(lambda: _probe(service, "/readyz") == 503)
        assert (_probe(service, "/readyz"), _probe(service, "/livez")) == (503, 200)
        assert not held.done()
        assert held.result().status_code == 200
    assert service.process.wait(timeout=10) == 0


def test_sigkill_leaves_no_process_either(launch: Callable[..., Any], stack_name: str) -> None:
    service = launch(stack_name, SVC_CPU_MODE="process", SVC_GRACEFUL_TIMEOUT_S=1)
    assert service.get("/cpu?n=100").status_code == 200
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert len(children) >= (2 if stack_name == "flask_gunicorn" else 1)
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []


def test_flask_is_not_ready_while_it_stops(launch: Callable[..., Any]) -> None:
    service = launch("flask_gunicorn")
    with httpx.Client(base_url=service.url, trust_env=False, timeout=10) as client:
        assert client.get("/readyz").status_code == 200
        service.process.send_signal(signal.SIGTERM)
        # The kept connection lives on for 2 s after the worker was told, for one more request.
        answer = client.get("/readyz")
        while answer.status_code == 200:
            answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
    assert answer.headers["connection"] == "close"
    assert service.process.wait(timeout=10) == 0


def test_a_loop_that_does_not_turn_is_stuck_and_one_that_has_not_begun_is_not_ready() -> None:
    server = make_server(Settings.from_env({}, stack="async"), None)
    health = server.health
    assert (health.is_alive(), health.is_ready()) == (True, False)
    server._turned_s -= STUCK_S
    assert not health.is_alive()
    assert asyncio.run(server.on_tick(1)) is False
    assert health.is_alive()
    server.started = True
    assert health.is_ready()
    server.handle_exit(signal.SIGTERM, None)
    assert (health.is_alive(), health.is_ready()) == (True, False)


@pytest.mark.parametrize(("listens", "workers", "is_ready"), [(1, 1, True), (0, 1, False), (1, 0, False)])
def test_gunicorn_is_ready_while_it_listens_and_has_a_worker(listens: int, workers: int, is_ready: bool) -> None:
    arbiter = SimpleNamespace(LISTENERS=[object()] * listens, WORKERS=dict.fromkeys(range(workers)))
    health = runpy.run_path(str(CONFIG_FILE))["_health"](arbiter)
    assert (health.is_alive(), health.is_ready()) == (True, is_ready)


@pytest.mark.parametrize(("is_stopping", "status"), [(False, 200), (True, 503)])
def test_fastapi_is_not_ready_while_it_stops(is_stopping: bool, status: int) -> None:
    app = create_app(Settings.from_env({}, stack="async"), None, lambda: is_stopping)

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.get("/readyz")).status_code

    assert asyncio.run(ask()) == status


def test_fastapi_refuses_at_once_what_is_beyond_its_limit(launch: Callable[..., Any]) -> None:
    service = launch("fastapi_uvicorn", SVC_LIMIT_CONCURRENCY=3)
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(service.get, "/hold?s=1") for _ in range(2)]
        _wait_until(lambda: _in_flight(service) >= 2)
        refused = service.get("/items/1")
        assert (refused.status_code, refused.headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert {item.result().status_code for item in held} == {200}
    assert service.get("/items/1").status_code == 200
