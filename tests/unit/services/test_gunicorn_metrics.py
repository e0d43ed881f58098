"""Under real gunicorn with two workers the arbiter's counts equal what was sent, workers dying or not."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

Eventually = Callable[[Callable[[], bool], str], None]
Fetch = Callable[[str], str]

# The way a service starts, with the smallest application; ports come as SVC_* settings.
SERVICE = """
import sys, time
from svc_common.multiprocess_dir import fresh_multiprocess_dir
from svc_common.settings import load_or_exit
from gunicorn.app.base import BaseApplication

settings = load_or_exit("sync")

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(30)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

class Service(BaseApplication):
    def load_config(self):
        from svc_common.environment import exit_on_settings_error
        from svc_common.metrics_server import Health, arbiter_registry, start_metrics_server

        def when_ready(arbiter):
            with exit_on_settings_error():
                start_metrics_server(settings, lambda: arbiter_registry(settings), Health(is_alive=bool, is_ready=bool))

        options = {
            "bind": f"{settings.host}:{settings.port}", "workers": settings.workers, "threads": settings.threads,
            "worker_class": "gthread", "keepalive": 75, "graceful_timeout": 2, "loglevel": "error",
            "preload_app": settings.preload, "control_socket_disable": True, "when_ready": when_ready,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self):
        from svc_common.metrics import ServiceMetrics
        from svc_common.wsgi_metrics import WsgiMetrics
        return WsgiMetrics(application, ServiceMetrics(stack="sync"), lambda environ: "/work")

with fresh_multiprocess_dir() as folder:
    print(folder, flush=True)
    Service().run()
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    process: subprocess.Popen[str]
    folder: Path
    port: int
    metrics_port: int
    scrape: Callable[[], dict[str, float]]

    def worker_pids(self) -> list[int]:
        found = re.findall(r'worker_slots_busy\{pid="(\d+)"\}', "\n".join(self.scrape()))
        return sorted(int(pid) for pid in found)

    def send(self, requests: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        for _ in range(requests):
            connection.request("GET", "/work")
            assert connection.getresponse().read() == b"ok"
        connection.close()


@pytest.fixture(params=["false", "true"], ids=["per_worker", "preload"])
def service(
    request: pytest.FixtureRequest,
    spawn: Callable[..., subprocess.Popen[str]],
    services_env: dict[str, str],
    fetch: Fetch,
    eventually: Eventually,
) -> Service:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        port, metrics_port = first.getsockname()[1], second.getsockname()[1]
    environ = services_env | {
        "SVC_PORT": str(port),
        "SVC_METRICS_PORT": str(metrics_port),
        "SVC_WORKERS": "2",
        "SVC_THREADS": "4",
        "SVC_PRELOAD": request.param,
    }
    process = spawn("-c", SERVICE, env=environ)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())

    def scrape() -> dict[str, float]:
        text = fetch(f"http://127.0.0.1:{metrics_port}/metrics")
        pairs = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    found = Service(process=process, folder=folder, port=port, metrics_port=metrics_port, scrape=scrape)

    def is_up() -> bool:
        with socket.socket() as probe:
            listening = probe.connect_ex(("127.0.0.1", metrics_port)) == 0
        return listening and len(found.worker_pids()) == 2

    eventually(is_up, "two workers")
    return found


TOTAL = 'http_requests_total{method="GET",route="/work",status="200"}'
DURATIONS = 'http_request_duration_seconds_count{method="GET",route="/work"}'


def test_counts_equal_what_was_sent_through_kill_replacement_and_stop(service: Service, eventually: Eventually) -> None:
    assert service.scrape()["http_requests_in_flight"] == 0
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(service.send, [50] * 8))
    eventually(lambda: service.scrape()["http_requests_in_flight"] == 0, "the drain")
    values = service.scrape()
    assert (values[TOTAL], values[DURATIONS]) == (400, 400)

    killed = service.worker_pids()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in service.worker_pids() and len(service.worker_pids()) == 2, "a new worker")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(service.send, [25] * 8))
    eventually(lambda: service.scrape()["http_requests_in_flight"] == 0, "the drain")
    after = service.scrape()
    assert (after[TOTAL], after[DURATIONS]) == (600, 600)
    assert after["process_tree_cpu_seconds_total"] >= values["process_tree_cpu_seconds_total"]
    assert f'worker_slots{{pid="{service.process.pid}"}}' not in after

    service.process.send_signal(signal.SIGTERM)
    _, stderr = service.process.communicate(timeout=20)
    assert service.process.returncode == 0
    assert [f"pid:{killed}) was sent SIGKILL" in line for line in stderr.splitlines()] == [True]
    assert not service.folder.exists()


def test_busy_slots_and_connections_are_seen_per_worker_and_end_with_it(
    service: Service, eventually: Eventually
) -> None:
    clients = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(3)]
    for client in clients:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: service.scrape()["http_requests_in_flight"] == 3, "three busy slots")
    values = service.scrape()
    for pid in service.worker_pids():
        busy = values[f'worker_slots_busy{{pid="{pid}"}}']
        assert values[f'worker_connections{{pid="{pid}",role="worker"}}'] == busy
        assert values[f'worker_slots{{pid="{pid}"}}'] == 4
    for pid in service.worker_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: service.scrape()["http_requests_in_flight"] == 0, "the slots of the dead to go")
    for client in clients:
        client.close()


def test_a_taken_metrics_port_ends_the_start_with_code_2(
    service: Service, spawn: Callable[..., subprocess.Popen[str]], services_env: dict[str, str], free_port: int
) -> None:
    environ = services_env | {"SVC_PORT": str(free_port), "SVC_METRICS_PORT": str(service.metrics_port)}
    child = spawn("-c", SERVICE, env=environ)
    _, stderr = child.communicate(timeout=20)
    assert child.returncode == 2
    assert stderr.startswith(f"settings: SVC_METRICS_PORT={service.metrics_port}: cannot listen")
    assert len(stderr.splitlines()) == 1
