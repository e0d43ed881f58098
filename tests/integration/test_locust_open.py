"""Open arrivals in real Locust processes: one schedule over all workers, exact counts, a stall charged in full."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _schedule import Schedule, parse_pattern
from hdrh.histogram import HdrHistogram
from prometheus_client.parser import text_string_to_metric_families

from locust_rig import LOCUSTFILES, PATIENCE_S, TESTS, Cluster, Stub, free_port, wait_until

MARKED = Path(__file__).with_name("locust_open_user.py")
LATE_ORDER = Path(__file__).with_name("locust_late_order.py")


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    files = ",".join(str(LOCUSTFILES / f"{name}.py") for name in ("io_bound", "read_heavy", "connections"))
    locust = Cluster(f"{files},{MARKED},{LATE_ORDER}", tmp_path_factory.mktemp("open"), workers=2)
    yield locust
    locust.close()


@contextmanager
def having(workers: int, cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    """Locust with so many workers: the cluster, with a third one for as long as it is wanted, or one plain process."""
    if workers == 0:
        plain = Cluster(str(MARKED), folder, workers=0)
        try:
            yield plain
        finally:
            plain.close()
        return
    more = [cluster.worker() for _ in range(workers - len(cluster.workers))]
    wait_until(lambda: cluster.status()["workers"] == workers, "the workers")
    yield cluster
    for process in more:
        process.terminate()
        process.wait(PATIENCE_S)
    wait_until(lambda: cluster.status()["worker_pids"] == sorted(cluster.workers), "two workers")


def due(*, rate_rps: float, pattern: str, seed: int) -> Any:
    """When the first arrivals of a load are due, seconds from its start."""
    return next(Schedule(rate_rps=rate_rps, pattern=parse_pattern(pattern), seed=seed).share(0, 1)).due_s


def value_s(encoded: str, percentile: float) -> float:
    return float(HdrHistogram.decode(encoded).get_value_at_percentile(percentile)) / 1e6


def dropped(cluster: Cluster) -> float | None:
    """What /metrics says was dropped so far; None where it says nothing."""
    with urllib.request.urlopen(f"{cluster.web}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found = [s.value for family in families for s in family.samples if s.name == "locust_arrivals_dropped_total"]
    return found[0] if found else None


def test_open_arrivals_do_what_they_say_inside_one_process() -> None:
    inside = Path(__file__).with_name("locust_arrivals.py")
    run = "from gevent import monkey; monkey.patch_all(); import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", run, "-q", "-p", "no:cacheprovider", str(inside)]
    child = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent, timeout=120, check=False)
    assert child.returncode == 0, child.stdout[-4000:]
    assert " passed" in child.stdout


def test_two_workers_send_one_schedule_and_the_books_are_exact(cluster: Cluster, stub: Stub) -> None:
    before = stub.counters()["served"]
    assert cluster.post("trials", {"id": "open", "good_within_s": 0.5})[0] == 201
    cluster.swarm(stub.url, "IoBoundUser", 2, rate_rps=200, arrivals="constant", lab_seed=3, in_flight_max=2000)
    cluster.post("windows", {"id": "open", "opens_in_s": 1.0, "measure_s": 2.0})
    window, books = cluster.window("open"), cluster.drained("open")
    arrivals = window["arrivals"]
    assert arrivals["planned"] == 400
    assert (arrivals["dropped"], arrivals["half_planned"]) == (0, [200, 200])
    assert 360 <= arrivals["started"] <= 400, "what is due in the last moment may begin after the close"
    assert books["sent"] == books["answered"] == stub.counters()["served"] - before
    assert (books["failed"], books["holes"], window["holes"]) == (0, [], [])
    assert HdrHistogram.decode(arrivals["response_histogram"]).get_total_count() == window["ok"]
    assert HdrHistogram.decode(arrivals["dispatch_histogram"]).get_total_count() == window["ok"]
    service, response = value_s(window["histogram"], 50), value_s(arrivals["response_histogram"], 50)
    assert service <= response * 1.001


def test_a_closed_swarm_after_an_open_one_is_closed(cluster: Cluster, stub: Stub) -> None:
    cluster.post("trials", {"id": "closed"})
    cluster.swarm(stub.url, "IoBoundUser", 6, rate_rps=0, think_s=0.01)
    cluster.post("windows", {"id": "closed", "opens_in_s": 0.3, "measure_s": 0.5})
    window = cluster.window("closed")
    cluster.drained("closed")
    assert window["arrivals"] is None
    assert window["user_time_s"] == pytest.approx(3.0, rel=0.1)


def test_what_the_cap_leaves_no_place_for_is_dropped_and_counted(cluster: Cluster, stub: Stub) -> None:
    """/data takes 50 ms: at 400 a second 20 are in flight, and the cap of 5 lets a quarter of them in."""
    before, before_dropped = stub.counters()["served"], dropped(cluster) or 0
    cluster.post("trials", {"id": "cap"})
    cluster.swarm(stub.url, "IoBoundUser", 2, rate_rps=400, arrivals="constant", in_flight_max=5)
    cluster.post("windows", {"id": "cap", "opens_in_s": 1.0, "measure_s": 1.0})
    window, books = cluster.window("cap"), cluster.drained("cap")
    arrivals = window["arrivals"]
    assert arrivals["planned"] == 400 >= arrivals["started"] + arrivals["dropped"] >= 360
    assert 0 < arrivals["started"] < 150
    assert window["health"]["in_flight_max"] <= 5
    told = dropped(cluster)
    assert told is not None
    assert told >= before_dropped + arrivals["dropped"] > before_dropped
    assert books["sent"] == books["answered"] == stub.counters()["served"] - before


def test_arrivals_that_nobody_answers_are_given_up_when_asked(cluster: Cluster) -> None:
    """Also those that start after that, because the order to send no more comes late (LATE_ORDER)."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        cluster.post("trials", {"id": "silent"})
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cluster.swarm(host, "IoBoundUser", 2, rate_rps=100, arrivals="constant", in_flight_max=2000)
        wait_until(lambda: cluster.status()["in_flight"] > 50, "requests in flight")
        cluster.post("drain", {})
        cluster.post("abandon", {})
        books = cluster.drained("silent")
    assert books["outcomes"] == {"error:Abandoned": books["sent"]}
    assert books["in_flight"] == 0


def test_users_that_stop_themselves_are_not_used_again_and_cut_nobodys_request_at_the_end(
    cluster: Cluster, stub: Stub
) -> None:
    cluster.post("trials", {"id": "quitting"})
    cluster.swarm(stub.url, "QuittingUser", 2, rate_rps=100, arrivals="constant", in_flight_max=2000)
    wait_until(lambda: cluster.get("trials/quitting")[1]["answered"] > 50, "some answers")
    books = cluster.drained("quitting")
    assert books["outcomes"] == {"200": books["sent"]}
    logs = (log.read_text(encoding="utf-8", errors="replace") for log in cluster.folder.glob("*.log"))
    complaints = sum(log.count("Tried to stop User in an unexpected state") for log in logs)
    assert complaints < books["sent"] / 4, "of those alone that were at work when all were told to stop"


def test_a_lost_worker_leaves_a_hole_and_its_share_is_not_sent_by_others(cluster: Cluster, stub: Stub) -> None:
    cluster.post("trials", {"id": "lost"})
    cluster.swarm(stub.url, "IoBoundUser", 2, rate_rps=100, arrivals="constant", in_flight_max=2000)
    cluster.post("windows", {"id": "lost", "opens_in_s": 1.0, "measure_s": 2.0})
    victim = next(iter(cluster.workers))
    wait_until(lambda: cluster.get("windows/lost")[1]["state"] == "open", "the opening")
    cluster.workers[victim].kill()
    window = cluster.window("lost")
    assert window["state"] == "partial"
    assert window["arrivals"]["planned"] == 100 >= window["arrivals"]["started"] >= 90
    cluster.drained("lost")
    process = cluster.worker()
    del cluster.workers[victim]
    cluster.workers[process.pid] = process
    wait_until(lambda: cluster.status()["worker_pids"] == sorted(cluster.workers), "two workers")


def numbered(log: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """What the server heard, by the number of the arrival."""
    heard: dict[int, list[dict[str, Any]]] = {}
    for entry in log:
        heard.setdefault(int(entry["x-arrival"]), []).append(entry)
    return heard


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_the_server_sees_the_one_schedule_whatever_the_number_of_workers(
    workers: int, cluster: Cluster, stub: Stub, tmp_path: Path
) -> None:
    """By the server's own log every arrival comes once, at its time, and each of two hosts gets every other one."""
    name, before, begun = f"open-{workers}", stub.counters()["served"], len(stub.log())
    load = {"rate_rps": 150, "arrivals": "steps(1@0s, 2@1s)", "lab_seed": 11, "in_flight_max": 2000}
    with having(workers, cluster, tmp_path) as locust:
        locust.post("trials", {"id": name})
        hosts = f"http://127.0.0.1:{stub.port},http://127.0.0.2:{stub.port}"
        locust.swarm(hosts, "MarkedUser", max(1, workers), **load)
        wait_until(lambda: stub.counters()["served"] - before >= 400, "400 arrivals")
        books = locust.drained(name)
    heard = numbered(stub.log()[begun:])
    assert books["sent"] == books["answered"] == len(heard)
    assert all(len(entries) == 1 for entries in heard.values())
    assert set(range(350)) <= heard.keys(), "workers may end a little apart, so only the last ones have gaps"
    assert all(heard[number][0]["host"].startswith(f"127.0.0.{1 + number % 2}:") for number in heard)
    due_s = due(rate_rps=150, pattern="steps(1@0s, 2@1s)", seed=11)
    late_s = np.array([heard[number][0]["at_s"] - due_s[number] for number in range(350)])
    assert np.median(late_s - late_s.min()) < 0.1, "gaps are the schedule's; its 350 arrivals take 1.7 s"


def test_the_plain_command_runs_an_open_load_by_its_options(stub: Stub, tmp_path: Path) -> None:
    files = f"{LOCUSTFILES / 'io_bound.py'},{LOCUSTFILES / 'shapes' / 'open.py'}"
    options = ["--rate-rps", "100", "--arrivals", "constant", "--open-s", "1.5", "--lab-seed", "7"]
    before = stub.counters()["served"]
    command = [sys.executable, "-m", "locust", "-f", files, "--headless", "--host", stub.url, *options]
    done = subprocess.run(
        [*command, "--stop-timeout", "30", "--json-file", str(tmp_path / "plain")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    served = stub.counters()["served"] - before
    assert done.returncode == 0, done.stderr[-2000:]
    assert 30 <= served <= 250
    (entry,) = json.loads((tmp_path / "plain.json").read_text())
    assert (entry["method"], entry["name"], entry["num_failures"]) == ("GET", "/data", 0)
    assert entry["num_requests"] == served


def test_the_shape_without_a_rate_says_what_is_missing(stub: Stub) -> None:
    files = f"{LOCUSTFILES / 'io_bound.py'},{LOCUSTFILES / 'shapes' / 'open.py'}"
    command = [sys.executable, "-m", "locust", "-f", files, "--headless", "--host", stub.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "--rate-rps: got none, expected arrivals per second" in done.stderr


def test_a_stall_is_charged_to_everybody_who_would_have_waited(cluster: Cluster) -> None:
    """A server that freezes 0.5 s in every 2 s: p95 and p99 from the intended start are those of its own log.

    The truth of an arrival: when that log says that it was answered, less when the schedule had planned it.
    """
    port = free_port()
    load = {"rate_rps": 100, "arrivals": "poisson", "lab_seed": 5, "in_flight_max": 2000}
    script = Path(__file__).with_name("locust_freezing_server.py")
    server = subprocess.Popen([sys.executable, str(script), str(port), "0.5", "2.0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    try:
        cluster.post("trials", {"id": "stall", "good_within_s": 0.1})
        cluster.swarm(f"http://127.0.0.1:{port}", "MarkedUser", 2, **load)
        cluster.post("windows", {"id": "stall", "opens_in_s": 1.0, "measure_s": 8.0})
        window, books = cluster.window("stall"), cluster.drained("stall")
    finally:
        server.terminate()
        log = np.array([line.split() for line in server.communicate()[0].splitlines()], dtype=float)
    assert books["sent"] == books["answered"] == len(log)
    numbers, read_s, left_s, left_unix_s = log.T
    planned_s = due(rate_rps=100, pattern="poisson", seed=5)[numbers.astype(int)]
    planned_s += (read_s - planned_s).min()
    inside = (left_unix_s >= window["opens_at_unix_s"]) & (left_unix_s < window["closes_at_unix_s"])
    truth_s = np.sort((left_s - planned_s)[inside])
    arrivals = window["arrivals"]
    assert abs(len(truth_s) - window["ok"]) <= 2
    late_s = window["health"]["lag_p99_s"]
    for percentile in (95, 99):
        true_s = float(np.quantile(truth_s, percentile / 100, method="inverted_cdf"))
        assert true_s > 0.2
        assert value_s(arrivals["response_histogram"], percentile) == pytest.approx(true_s, rel=0.05, abs=late_s)
    surely, at_most = (int((truth_s <= 0.1 + shift_s).sum()) for shift_s in (-late_s, late_s))
    assert surely - 5 <= window["good"] <= at_most + 5
    assert arrivals["dropped"] == 0
