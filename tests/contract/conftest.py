"""Real services as child processes on free ports, for the contract tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

SERVICES = Path(__file__).parents[2] / "services"
STACKS = ("flask_gunicorn", "fastapi_uvicorn")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0

Launch = Callable[..., "Service"]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running `python -m <name>`."""

    name: str
    process: subprocess.Popen[bytes] = field(repr=False)
    port: int
    metrics_port: int | None
    log_file: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has written."""
        return self.log_file.read_text(encoding="utf-8")

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request on a connection of its own; loading certificates for each would cost 25 ms."""
        return httpx.request(method, self.url + path, trust_env=False, verify=False, timeout=20, **kwargs)

    def get(self, path: str) -> httpx.Response:
        """One GET on a connection of its own."""
        return self.request("GET", path)

    def metrics(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of one metric name by their sorted labels."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = httpx.get(url, trust_env=False, verify=False, timeout=10).text
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def workers(self) -> list[int]:
        """The pids of its child processes."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_TIMEOUT_S)


def service_environment(variables: Mapping[str, object]) -> dict[str, str]:
    """The environment of this process with the services importable and these variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SVC_", "UPSTREAM_"))}
    paths = f"{SERVICES}{os.pathsep}{SERVICES / 'common'}"
    return {**kept, "PYTHONPATH": paths, **{name: str(value) for name, value in variables.items()}}


@contextmanager
def running(name: str, log_file: Path, variables: Mapping[str, object]) -> Iterator[Service]:
    """A service that is ready; stopped at the end, with all its children."""
    prefix = "UPSTREAM" if name == "upstream" else "SVC"
    port = int(str(variables.get(f"{prefix}_PORT", free_port())))
    metrics_port = None if name == "upstream" else free_port()
    ports = {f"{prefix}_PORT": port} | ({} if metrics_port is None else {"SVC_METRICS_PORT": metrics_port})
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", name],
            env=service_environment({**variables, **ports}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    service = Service(name=name, process=process, port=port, metrics_port=metrics_port, log_file=log_file)
    try:
        _wait_ready(service)
        yield service
    finally:
        _end(process)


def _wait_ready(service: Service) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if service.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    pytest.fail(f"{service.name} did not get ready; its log:\n{service.log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An upstream that answers after 5 ms."""
    log_file = tmp_path_factory.mktemp("upstream") / "log"
    with running("upstream", log_file, {"UPSTREAM_LATENCY": "constant(5ms)"}) as service:
        yield service


@pytest.fixture(scope="session")
def launch_for_session(tmp_path_factory: pytest.TempPathFactory, upstream: Service) -> Iterator[Launch]:
    """Start a service that lives until the end of the session: `launch(name, SVC_X=..., ...)`."""
    with ExitStack() as stack:

        def start(name: str, **variables: object) -> Service:
            log_file = tmp_path_factory.mktemp(name) / "log"
            return stack.enter_context(running(name, log_file, {"SVC_UPSTREAM_URL": upstream.url, **variables}))

        yield start


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory, upstream: Service) -> Iterator[Launch]:
    """Start a service for one test: `launch(name, SVC_X=..., ...)`."""
    with ExitStack() as stack:

        def start(name: str, **variables: object) -> Service:
            log_file = tmp_path_factory.mktemp(name) / "log"
            shared = {} if name == "upstream" else {"SVC_UPSTREAM_URL": upstream.url}
            return stack.enter_context(running(name, log_file, {**shared, **variables}))

        yield start


@pytest.fixture(scope="session")
def both(launch_for_session: Launch) -> tuple[Service, Service]:
    """Both stacks with default settings, for tests that leave no trace."""
    flask, fastapi = (launch_for_session(name) for name in STACKS)
    return flask, fastapi


@pytest.fixture(params=STACKS)
def stack_name(request: pytest.FixtureRequest) -> str:
    """The name of either stack."""
    name: str = request.param
    return name


@pytest.fixture
def stack(stack_name: str, both: tuple[Service, Service]) -> Service:
    """Either stack with default settings, for tests that leave no trace."""
    return both[STACKS.index(stack_name)]


@pytest.fixture
def run_to_end() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a service that is expected to end by itself: `run_to_end(name, SVC_X=...)`."""

    def run(name: str, **variables: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", name],
            env=service_environment(variables),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def comparable() -> Callable[[httpx.Response], object]:
    """What of a response must be equal on both stacks: all but the differences that the contract lists."""
    return _comparable


def _comparable(response: httpx.Response) -> object:
    listed = ("content-type", "content-length", "allow", "www-authenticate", "retry-after")
    headers = {name: response.headers.get(name) for name in listed}
    body: object = response.content
    if response.status_code == 422:
        document = response.json()
        document["error"]["details"] = [item["field"] for item in document["error"]["details"]]
        headers["content-length"] = None
        body = document
    return response.status_code, headers, body
