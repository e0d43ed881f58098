"""The lab in plain Locust processes: each scenario, shapes, somebody else's locustfile, bad settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from locust_rig import LOCUSTFILES, PATIENCE_S, SCENARIOS, Cluster, Stub, wait_until

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


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One plain process with somebody else's locustfile."""
    folder = tmp_path_factory.mktemp("foreign")
    theirs = folder / "theirs.py"
    theirs.write_text(FOREIGN)
    locust = Cluster(f"{theirs},{LOCUSTFILES / 'lab_plugin.py'}", folder, workers=0)
    yield locust
    locust.close()


@pytest.mark.parametrize(
    ("user_class", "round_of_outcomes"),
    [("ForeignUser", {"200": 2, "503": 1}), ("ForeignFastUser", {"200": 2, "503": 2})],
)
def test_a_foreign_locustfile_is_recorded_in_one_plain_process(
    foreign: Cluster, stub: Stub, user_class: str, round_of_outcomes: dict[str, int]
) -> None:
    """Also what its scenario judges itself, a broken connection, and a verdict that never comes."""
    before = stub.counters()
    foreign.post("trials", {"id": user_class})
    foreign.post("windows", {"id": user_class, "opens_in_s": 0.0, "measure_s": 1.0})
    foreign.swarm(stub.url, user_class, 2)
    window, books = foreign.window(user_class), foreign.drained(user_class)
    outcomes = books["outcomes"]
    rounds = outcomes["200"] // 2
    drops = sum(count for name, count in outcomes.items() if name.startswith("error:"))
    assert books["sent"] == books["answered"] + books["failed"]
    assert books["answered"] == stub.counters()["served"] - before["served"]
    assert drops == books["failed"] == stub.counters()["dropped"] - before["dropped"], "nothing is sent twice"
    assert {name: round(outcomes[name] / rounds) for name in round_of_outcomes} == round_of_outcomes
    assert drops >= rounds - 2
    assert (window["state"], window["health"]["cores"]) == ("complete", 1)
    if user_class == "ForeignUser":
        assert window["ok"] / (window["ok"] + window["failed"]) == pytest.approx(1 / 4, abs=0.05)
        answered = sum(count for name, count in window["outcomes"].items() if not name.startswith("error:"))
        assert window["ends_read"] == answered, "requests, the client of HttpUser, tells of no arrival"
    else:
        assert window["ok"] / (window["ok"] + window["failed"]) == pytest.approx(2 / 5, abs=0.05)
        assert window["outcomes"]["error:unjudged"] > 0
        assert "never judged" in window["notes"][0]


def test_every_scenario_runs_with_the_plain_locust_command(stub: Stub, tmp_path: Path) -> None:
    """Each file alone, headers from the environment, ended by SIGTERM once the server has seen its requests."""
    small = {"connections": ["--hold-s", "0.1", "--idle-s", "0.1"], "payload": ["--payload-records", "20"]}
    running, unstamped = {}, stub.counters()["unstamped"]
    for name in SCENARIOS:
        options = ["--headless", "-u", "3", "-r", "10", "--only-summary", "--json-file", str(tmp_path / name)]
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / f"{name}.py"), "--host", stub.url]
        env = {**os.environ, "LAB_HEADERS_JSON": json.dumps({"X-Label": name})}
        with (tmp_path / f"{name}.log").open("wb") as log:
            running[name] = subprocess.Popen(
                [*command, *options, *small.get(name, [])], env=env, stdout=log, stderr=log
            )
    try:
        wait_until(lambda: min(stub.counters()["labels"].get(name, 0) for name in SCENARIOS) >= 6, "all scenarios")
    finally:
        for process in running.values():
            process.terminate()
    for name, process in running.items():
        assert process.wait(PATIENCE_S) == 0, (tmp_path / f"{name}.log").read_text()
        rows = json.loads((tmp_path / f"{name}.json").read_text())
        assert sum(row["num_requests"] for row in rows) > 0, name
        assert sum(row["num_failures"] for row in rows) == 0, name
    assert stub.counters()["unstamped"] == unstamped


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
        (["--think-s", "-1"], {}, "got -1, expected a number of seconds, zero or more"),
    ],
)
def test_bad_settings_end_in_one_line(arguments: list[str], environment: dict[str, str], says: str) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILES / "io_bound.py"), "--headless", *arguments]
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode != 0
    assert says in run.stderr
    assert "Traceback" not in run.stderr
