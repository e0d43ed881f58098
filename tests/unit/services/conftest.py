"""Real small parts for the services' tests: a uvicorn in a thread, child processes, free ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20.0


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], str], None]:
    return wait_until


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def serve_asgi() -> Iterator[Callable[[Any], int]]:
    """Serves an ASGI app by uvicorn in a thread and returns its port."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(app: Any) -> int:
        config = uvicorn.Config(app, host="127.0.0.1", port=0, http="httptools", ws="none", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        wait_until(lambda: server.started, "uvicorn to start")
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(PATIENCE_S)


@pytest.fixture
def services_env() -> dict[str, str]:
    """An environment in which the services can be imported and no setting is left over from outside."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SVC_", "UPSTREAM_", "PROMETHEUS_"))
    }
    path = os.pathsep.join([str(ROOT / "services"), str(ROOT / "services" / "common")])
    return kept | {"PYTHONPATH": path}


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python ...` children and ends whichever still run after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, *args],
            env=env,
            cwd=cwd,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.terminate()
        try:
            child.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


@pytest.fixture
def fetch() -> Callable[[str], str]:
    def get(url: str) -> str:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
            body: bytes = response.read()
        return body.decode()

    return get
