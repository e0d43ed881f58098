"""The lab in a real Locust master and workers against a real server: exact books, merged windows, lost workers."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from loadlab.model.run import GeneratorHealth, LoadWindow
from locust_rig import LOCUSTFILES, PATIENCE_S, SCENARIOS, Cluster, Stub, ask, wait_until


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


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
        pair.swarm(hosts[user_class], user_class, count, think_s=0.01, phase_s=0.05, lab_seed=7)
        if user_class == "IoBoundUser":
            wait_until(lambda: pair.get("status")[1]["in_flight"], "requests in flight")
            assert pair.post("trials", {"id": "too-early"})[0] == 409
        status, times = pair.post("windows", {"id": user_class, "opens_in_s": 0.3, "measure_s": 1.0})
        assert status == 202
        assert times["closes_at_unix_s"] - times["opens_at_unix_s"] == pytest.approx(1.0)
        window, books = pair.window(user_class), pair.drained(user_class)
        served = stub.counters()["served"] - before["served"]
        assert books["sent"] == books["answered"] == served > 0
        assert (books["failed"], books["in_flight"], books["users"], books["holes"]) == (0, 0, 0, [])
        assert books["outcomes"] == {"200": served}
        check_window(window, count)
        assert stub.counters()["unstamped"] == before["unstamped"]
    assert pair.window("IoBoundUser")["active_s"] == pytest.approx(1.0, abs=0.2)


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


def test_live_figures_begin_with_the_trial(pair: Cluster, stub: Stub) -> None:
    pair.post("trials", {"id": "many"})
    pair.swarm(stub.url, "ReadHeavyUser", 8, think_s=0.01)
    wait_until(lambda: pair.status()["rps"] > 0 and pair.status()["p99_s"], "live figures")
    pair.drained("many")
    assert pair.post("trials", {"id": "one"})[0] == 201
    status = pair.status()
    assert (status["rps"], status["error_ratio"], status["p50_s"], status["p99_s"]) == (0.0, None, None, None)
    pair.swarm(stub.url, "ReadHeavyUser", 1, think_s=0.5)
    assert 0 < wait_until(lambda: pair.status()["rps"], "a live figure of one user") < 40
    pair.drained("one")


def test_a_worker_that_is_terminated_flushes_what_it_has(pair: Cluster, stub: Stub) -> None:
    pair.post("trials", {"id": "term"})
    pair.swarm(stub.url, "IoBoundUser", 10)
    pair.post("windows", {"id": "term", "opens_in_s": 0.0, "measure_s": 5.0})
    victim = next(iter(pair.workers))
    wait_until(lambda: pair.get("trials/term")[1]["answered"] > 50, "some requests")
    os.kill(victim, signal.SIGTERM)
    window = pair.window("term")
    assert window["state"] == "partial"
    assert any(f"(pid {victim}) quit" in hole and "its part ends there" in hole for hole in window["holes"])
    assert window["ok"] > 0
    assert (window["health"]["workers"], window["health"]["workers_expected"]) == (1, 2)
    books = pair.drained("term")
    assert books["sent"] == books["answered"] + books["failed"] + books["abandoned"]
    assert books["abandoned"] <= 5, "half of the users were its own"
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


def test_what_nobody_answers_is_given_up_when_asked_and_the_next_swarm_is_whole(pair: Cluster, stub: Stub) -> None:
    """A socket that listens and never answers, as the address of a pod that is gone."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pair.post("trials", {"id": "silent"})
        pair.swarm(f"http://127.0.0.1:{silent.getsockname()[1]}", "IoBoundUser", 6)
        wait_until(lambda: pair.status()["in_flight"] == 6, "six requests in flight")
        assert pair.post("abandon", {})[0] == 202
        assert pair.get("trials/silent")[1]["in_flight"] == 6, "nothing is cut while the swarm is not being drained"
        assert pair.post("drain", {})[1]["state"] == "draining"
        assert pair.post("abandon", {})[0] == 202
        books = pair.drained("silent")
    assert books["outcomes"] == {"error:Abandoned": 6}
    assert (books["sent"], books["answered"], books["failed"], books["in_flight"]) == (6, 0, 6, 0)
    pair.post("trials", {"id": "after"})
    pair.swarm(stub.url, "IoBoundUser", 6)
    wait_until(lambda: pair.get("trials/after")[1]["answered"] > 50, "some requests")
    books = pair.drained("after")
    assert books["sent"] == books["answered"]


def test_a_drain_ends_a_ramp_that_is_under_way_for_good(pair: Cluster, stub: Stub) -> None:
    """Locust's ramp wakes up once a second; it used to find the target of the drain met, and the test running again."""
    pair.post("trials", {"id": "ramp"})
    pair.order(stub.url, "IoBoundUser", 20, spawn_rate=1)
    wait_until(lambda: pair.status()["users"] >= 2, "the first users")
    books = pair.drained("ramp")
    assert books["sent"] == books["answered"]
    for _ in range(15):
        assert pair.status()["state"] in ("stopped", "ready")
        assert pair.status()["users"] == 0
        time.sleep(0.1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_drain_cuts_no_request_where_nobody_gave_a_stop_timeout(workers: int, stub: Stub, tmp_path: Path) -> None:
    locust = Cluster(str(LOCUSTFILES / "io_bound.py"), tmp_path, workers=workers, options=())
    try:
        locust.post("trials", {"id": "whole"})
        locust.swarm(stub.url, "IoBoundUser", 20)
        wait_until(lambda: locust.get("trials/whole")[1]["answered"] > 50, "some requests")
        books = locust.drained("whole")
    finally:
        locust.close()
    assert books["sent"] == books["answered"]
    assert books["failed"] == 0


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
