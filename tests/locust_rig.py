"""A server under load and real Locust processes around the lab, for the integration tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
LOCUSTFILES = TESTS.parent / "locustfiles"
STUB = TESTS / "integration" / "locust_stub_server.py"
SCENARIOS = ("io_bound", "payload", "read_heavy", "cpu_bound", "connections", "quota", "mixed")
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(met: Callable[[], Any], what: str) -> Any:
    """Ask until it is met, at first often, then rarely: each question costs processor time on both sides."""
    deadline_s, pause_s = time.monotonic() + PATIENCE_S, 0.01
    while not (result := met()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)
    return result


def ask(method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, None


class Stub:
    """The server under load."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([sys.executable, str(STUB), str(self.port)], stdout=subprocess.DEVNULL)
        wait_until(lambda: ask("GET", f"{self.url}/counters")[0] == 200, "the stub")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> list[dict[str, Any]]:
        return list(ask("GET", f"{self.url}/log")[1])

    def counters(self) -> dict[str, Any]:
        return dict(ask("GET", f"{self.url}/counters")[1])


class Cluster:
    """A Locust with its web interface: a master and workers, or one plain process."""

    def __init__(
        self,
        files: str,
        folder: Path,
        workers: int,
        headers: dict[str, str] | None = None,
        options: Sequence[str] = ("--stop-timeout", "150"),
    ) -> None:
        self.web = f"http://127.0.0.1:{(port := free_port())}"
        self.bus_port = free_port()
        self.folder = folder
        self.env = {**os.environ, "LAB_HEADERS_JSON": json.dumps(headers or {})}
        self.common = [sys.executable, "-m", "locust", "-f", files, *options]
        web = ["--class-picker", "--web-host", "127.0.0.1", "--web-port", str(port)]
        bus = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.bus_port)]
        self.master = [*web, *(bus if workers else [])]
        self.processes = [self.start("master", self.master)]
        self.workers = {process.pid: process for process in (self.worker() for _ in range(workers))}
        wait_until(lambda: self.get("status")[0] == 200, "the web interface")
        wait_until(lambda: self.status()["workers"] == max(1, workers), "the workers")

    def start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([*self.common, *arguments], stdout=log, stderr=log, env=self.env)

    def worker(self) -> subprocess.Popen[bytes]:
        bus = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(self.bus_port)]
        process = self.start("worker", bus)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def get(self, path: str) -> tuple[int, Any]:
        return ask("GET", f"{self.web}/lab/{path}")

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return ask("POST", f"{self.web}/lab/{path}", body)

    def status(self) -> dict[str, Any]:
        return dict(self.get("status")[1])

    def swarm(self, host: str, user_class: str, users: int, **options: object) -> None:
        self.order(host, user_class, users, **options)
        wait_until(lambda: self.status()["users"] == users, "the users")

    def order(self, host: str, user_class: str, users: int, **options: object) -> None:
        """Ask for a swarm and wait for nothing."""
        form = {"user_count": users, "spawn_rate": users * 10, "host": host, "user_classes": user_class, **options}
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{self.web}/swarm", data=data, timeout=PATIENCE_S) as answer:
            assert json.load(answer)["success"]

    def window(self, window_id: str) -> dict[str, Any]:
        def settled() -> Any:
            window = self.get(f"windows/{window_id}")[1]
            return window if window["state"] in ("complete", "partial") else None

        return dict(wait_until(settled, f"window {window_id}"))

    def drained(self, trial_id: str) -> dict[str, Any]:
        assert self.post("drain", {})[0] == 202
        wait_until(lambda: self.status()["state"] in ("stopped", "ready"), "the drain")
        return dict(self.get(f"trials/{trial_id}")[1])
