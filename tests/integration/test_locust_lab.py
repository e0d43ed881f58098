"""The lab inside real Locust processes against a real server: exact books, merged windows, lost workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from loadlab.model.run import GeneratorHealth, LoadWindow

ROOT = Path(__file__).parents[2]
LOCUSTFILES = ROOT / "locustfiles"
STUB = Path(__file__).with_name("locust_stub_server.py")
SCENARIOS = ("io_bound", "payload", "read_heavy", "cpu_bound", "connections", "quota", "mixed")
PATIENCE_S = 30.0

FOREIGN = """
from locust import HttpUser, FastHttpUser, task


class ForeignUser(HttpUser):
    @task
    def tasks_of_all_kinds(self):
        self.client.get("/items/1")
        self.client.get("/status/503")
        self.client.get("/drop")
        with self.client.get("/items/2", catch_response=True) as response:
            response.failure("not what was wanted")


class ForeignFastUser(FastHttpUser):
    @task
    def tasks_of_all_kinds(self):
        self.client.get("/items/1")
        self.client.get("/status/503")
        self.client.get("/drop")
        with self.client.get("/status/503", catch_response=True) as response:
            response.success()
        self.client.get("/items/3", catch_response=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(met: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (result := met()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(0.02)
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

    def counters(self) -> dict[str, int]:
        return dict(ask("GET", f"{self.url}/counters")[1])


class Cluster:
    """A Locust with its web interface: a master and workers, or one plain process."""

    def __init__(self, files: str, folder: Path, workers: int) -> None:
        self.web = f"http://127.0.0.1:{(port := free_port())}"
        self.bus_port = free_port()
        self.folder = folder
        self.common = [sys.executable, "-m", "locust", "-f", files, "--stop-timeout", "150"]
        web = ["--class-picker", "--web-host", "127.0.0.1", "--web-port", str(port)]
        bus = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.bus_port)]
        self.processes = [self.start("master", [*web, *(bus if workers else [])])]
        self.workers = {process.pid: process for process in (self.worker() for _ in range(workers))}
        wait_until(lambda: self.get("status")[0] == 200, "the web interface")
        wait_until(lambda: self.status()["workers"] == max(1, workers), "the workers")

    def start(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([*self.common, *arguments], stdout=log, stderr=log)

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
        form = {"user_count": users, "spawn_rate": users * 10, "host": host, "user_classes": user_class, **options}
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{self.web}/swarm", data=data, timeout=PATIENCE_S) as answer:
            assert json.load(answer)["success"]
        wait_until(lambda: self.status()["users"] == users, "the users")

    def window(self, window_id: str) -> dict[str, Any]:
        def settled() -> Any:
            window = self.get(f"windows/{window_id}")[1]
            return window if window["state"] in ("complete", "partial") else None

        return dict(wait_until(settled, f"window {window_id}"))

    def drained(self, trial_id: str) -> dict[str, Any]:
        assert self.post("drain", {})[0] == 202
        wait_until(lambda: self.status()["state"] in ("stopped", "ready"), "the drain")
        return dict(self.get(f"trials/{trial_id}")[1])


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    files = ",".join(str(LOCUSTFILES / f"{name}.py") for name in SCENARIOS)
    locust = Cluster(files, tmp_path_factory.mktemp("cluster"), workers=2)
    yield locust
    locust.close()


@pytest.fixture
def pair(cluster: Cluster) -> Cluster:
    """The cluster with two living workers; one that a test has ended is replaced."""
    gone = [pid for pid, process in cluster.workers.items() if process.poll() is not None]
    for pid in gone:
        del cluster.workers[pid]
        process = cluster.worker()
        cluster.workers[process.pid] = process
    wait_until(lambda: cluster.status()["worker_pids"] == sorted(cluster.workers), "two workers")
    return cluster


def test_trials_and_windows_are_exact_and_swarms_follow_each_other(pair: Cluster, stub: Stub) -> None:
    """Two trials with other users, class and host in the same processes; each is sent = answered = served."""
    users = {"IoBoundUser": 30, "ReadHeavyUser": 6}
    hosts = {"IoBoundUser": stub.url, "ReadHeavyUser": f"http://localhost:{stub.port}"}
    for user_class, count in users.items():
        before = stub.counters()
        assert pair.post("trials", {"id": user_class, "good_within_s": 0.5})[0] == 201
        pair.swarm(hosts[user_class], user_class, count, think_s=0.02, phase_s=0.05, lab_seed=7)
        assert pair.post("trials", {"id": "next"})[0] == 409 or user_class == "ReadHeavyUser"
        status, times = pair.post("windows", {"id": user_class, "opens_in_s": 0.3, "measure_s": 1.0})
        assert status == 202
        assert times["closes_at_unix_s"] - times["opens_at_unix_s"] == pytest.approx(1.0)
        window, books = pair.window(user_class), pair.drained(user_class)
        served = stub.counters()["served"] - before["served"]
        assert books["sent"] == books["answered"] == served > 0
        assert (books["failed"], books["in_flight"], books["users"], books["holes"]) == (0, 0, 0, [])
        assert books["outcomes"] == {"200": served}
        check_window(window, count)
    assert pair.window("IoBoundUser")["active_s"] == pytest.approx(1.0, abs=0.2)
    assert stub.counters()["unstamped"] == 0


def check_window(window: dict[str, Any], users: int) -> None:
    """Names are those of the engine's records, and the figures agree with one another."""
    assert {field.name for field in fields(LoadWindow)} <= window.keys()
    assert {field.name for field in fields(GeneratorHealth)} == window["health"].keys()
    assert (window["state"], window["holes"], window["failed"]) == ("complete", [], 0)
    assert window["ok"] == window["outcomes"]["200"] == sum(window["half_ok"]) > 0
    assert window["good"] == window["ok"]
    assert HdrHistogram.decode(window["histogram"]).get_total_count() == window["ok"]
    assert window["user_time_s"] == pytest.approx(users * window["measure_s"], rel=0.05)
    assert 0 < window["request_time_s"] < window["user_time_s"]
    assert window["active_s"] <= window["measure_s"] + 1e-9
    assert (window["health"]["workers"], window["health"]["cores"]) == (2, 2)
    assert 0 < window["health"]["in_flight_max"] <= users


def test_each_user_keeps_one_connection(pair: Cluster, stub: Stub) -> None:
    before = stub.counters()["connections"]
    pair.post("trials", {"id": "connections"})
    pair.swarm(stub.url, "ReadHeavyUser", 8, think_s=0.01)
    wait_until(lambda: pair.get("trials/connections")[1]["sent"] > 200, "200 requests")
    ours = stub.counters()["connections"] - before
    pair.drained("connections")
    assert ours - 8 <= 1, "one connection for each user and one for the question itself"


def test_a_worker_that_is_terminated_flushes_what_it_has(pair: Cluster, stub: Stub) -> None:
    pair.post("trials", {"id": "term"})
    pair.swarm(stub.url, "IoBoundUser", 10)
    pair.post("windows", {"id": "term", "opens_in_s": 0.0, "measure_s": 1.5})
    victim = next(iter(pair.workers))
    wait_until(lambda: pair.get("trials/term")[1]["answered"] > 50, "some requests")
    os.kill(victim, signal.SIGTERM)
    window = pair.window("term")
    assert window["state"] == "partial"
    assert any(f"(pid {victim}) quit" in hole and "its part ends there" in hole for hole in window["holes"])
    assert window["ok"] > 0
    assert (window["health"]["workers"], window["health"]["workers_expected"]) == (1, 2)
    books = pair.drained("term")
    assert books["sent"] - books["answered"] - books["failed"] <= 5
    assert all(f"pid {victim}" in hole for hole in books["holes"])


def test_a_worker_that_is_killed_leaves_a_hole_and_the_rest_is_right(pair: Cluster, stub: Stub) -> None:
    pair.post("trials", {"id": "kill"})
    pair.swarm(stub.url, "IoBoundUser", 10)
    pair.post("windows", {"id": "kill", "opens_in_s": 0.1, "measure_s": 1.0})
    victim = next(iter(pair.workers))
    wait_until(lambda: pair.get("windows/kill")[1]["state"] == "open", "the opening")
    os.kill(victim, signal.SIGKILL)
    window = pair.window("kill")
    assert window["state"] == "partial"
    assert [hole for hole in window["holes"] if f"(pid {victim})" in hole and "is unknown" in hole]
    assert window["user_time_s"] == pytest.approx(5 * 1.0, rel=0.05)
    books = pair.drained("kill")
    assert books["sent"] == books["answered"] > 0
    assert any(f"(pid {victim})" in hole for hole in books["holes"])


def test_requests_that_cannot_be_met_are_refused_in_one_line(pair: Cluster) -> None:
    for path, body, status, says in (
        ("windows", {"id": "x", "opens_in_s": 0}, 400, "measure_s: got None"),
        ("windows", {"id": "x", "opens_in_s": -1, "measure_s": 1}, 400, "opens_in_s: got -1"),
        ("trials", {"id": ""}, 400, "id: got ''"),
        ("trials", {"id": "x", "good_within_s": "1"}, 400, "good_within_s: got '1'"),
    ):
        answer = pair.post(path, body)
        assert answer[0] == status
        assert says in answer[1]["error"]
        assert "\n" not in answer[1]["error"]
    assert pair.get("windows/unknown")[0] == 404
    assert pair.get("trials/unknown")[0] == 404
    assert pair.post("phase", {"stack": "flask", "level": 50})[0] == 200
    assert pair.get("phase")[1] == {"stack": "flask", "level": 50}


def test_a_window_can_be_closed_early(pair: Cluster, stub: Stub) -> None:
    pair.post("trials", {"id": "early"})
    pair.swarm(stub.url, "IoBoundUser", 4)
    pair.post("windows", {"id": "early", "opens_in_s": 0.0, "measure_s": 600.0})
    wait_until(lambda: pair.get("trials/early")[1]["answered"] > 20, "some requests")
    assert ask("DELETE", f"{pair.web}/lab/windows/early")[1]["state"] == "open"
    window = pair.window("early")
    pair.drained("early")
    assert window["state"] == "complete"
    assert window["measure_s"] < PATIENCE_S
    assert window["user_time_s"] == pytest.approx(4 * window["measure_s"], rel=0.05)


@pytest.mark.parametrize(
    ("user_class", "round_of_outcomes", "failed"),
    [
        ("ForeignUser", {"200": 2, "503": 1}, 0),
        ("ForeignFastUser", {"200": 2, "503": 2}, 0),
    ],
)
def test_a_foreign_locustfile_is_recorded_in_one_plain_process(
    tmp_path: Path, stub: Stub, user_class: str, round_of_outcomes: dict[str, int], failed: int
) -> None:
    """Also what its scenario judges itself, a broken connection, and a verdict that never comes."""
    theirs = tmp_path / "theirs.py"
    theirs.write_text(FOREIGN)
    locust = Cluster(f"{theirs},{LOCUSTFILES / 'lab_plugin.py'}", tmp_path, workers=0)
    try:
        before = stub.counters()["served"]
        locust.post("trials", {"id": "t"})
        locust.post("windows", {"id": "w", "opens_in_s": 0.0, "measure_s": 1.0})
        locust.swarm(stub.url, user_class, 2)
        window, books = locust.window("w"), locust.drained("t")
    finally:
        locust.close()
    outcomes = books["outcomes"]
    rounds = outcomes["200"] // 2
    drops = sum(count for name, count in outcomes.items() if name.startswith("error:"))
    assert books["sent"] == books["answered"] + books["failed"]
    assert books["answered"] == stub.counters()["served"] - before
    assert drops == books["failed"]
    assert {name: round(outcomes[name] / rounds) for name in round_of_outcomes} == round_of_outcomes
    assert drops >= rounds - 2
    assert (window["state"], window["health"]["cores"]) == ("complete", 1)
    if user_class == "ForeignUser":
        assert window["ok"] / (window["ok"] + window["failed"]) == pytest.approx(1 / 4, abs=0.05)
    else:
        assert window["ok"] / (window["ok"] + window["failed"]) == pytest.approx(2 / 5, abs=0.05)
        assert window["outcomes"]["error:unjudged"] > 0
        assert "never judged" in window["notes"][0]


def test_every_scenario_runs_with_the_plain_locust_command(stub: Stub, tmp_path: Path) -> None:
    small = {"connections": ["--hold-s", "0.1", "--idle-s", "0.1"], "payload": ["--payload-records", "20"]}
    running = {}
    for name in SCENARIOS:
        report = tmp_path / name
        options = ["--headless", "-u", "3", "-r", "10", "-t", "2s", "--json-file", str(report), "--only-summary"]
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / f"{name}.py"), "--host", stub.url]
        with (tmp_path / f"{name}.log").open("wb") as log:
            running[name] = subprocess.Popen([*command, *options, *small.get(name, [])], stdout=log, stderr=log)
    for name, process in running.items():
        assert process.wait(PATIENCE_S) == 0, (tmp_path / f"{name}.log").read_text()
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        assert sum(row["num_requests"] for row in rows) > 0, name
        assert sum(row["num_failures"] for row in rows) == 0, name
    assert stub.counters()["unstamped"] == 0


def test_a_shape_combines_with_a_scenario_and_ends_by_itself(stub: Stub) -> None:
    files = f"{LOCUSTFILES / 'io_bound.py'},{LOCUSTFILES / 'shapes' / 'steps.py'}"
    command = [sys.executable, "-m", "locust", "-f", files, "--host", stub.url, "--headless", "--only-summary"]
    run = subprocess.run(
        [*command, "--steps-users", "2,5", "--step-s", "1"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert run.returncode == 0, run.stderr
    assert "Shape test updating to 2 users" in run.stderr
    assert "Shape test updating to 5 users" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        ([], {"LAB_HEADERS_JSON": "{"}, "LAB_HEADERS_JSON: not JSON"),
        ([], {"LAB_HEADERS_JSON": '{"a": 1}'}, "LAB_HEADERS_JSON: expected an object whose values are texts"),
        (["--think-s", "-1"], {}, "got -1, expected a number of seconds, zero or more"),
    ],
)
def test_bad_settings_end_in_one_line(arguments: list[str], environment: dict[str, str], says: str) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / "io_bound.py"), "--headless", *arguments]
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode != 0
    assert says in run.stderr
    assert "Traceback" not in run.stderr
