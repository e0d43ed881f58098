"""Somebody's own locustfile, which imports nothing of the lab, in real Locust processes against a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from loadlab.execute.clock import SystemClock
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.locust_processes import LocalLocust
from loadlab.execute.ports import Swarm
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.scrape_targets import ScrapeTargets
from loadlab.model.experiment import Scenario
from locust_rig import LOCUSTFILES, PATIENCE_S, Cluster, Stub, wait_until

ORDER = Path(__file__).with_name("locust_order.py")
SECRET = {"Authorization": "Bearer s3cret", "X-Api-Key": "k3y"}
SEED = 30
USERS = 4
THINK_S = 0.15
PHASE_S = 1.2
THEIRS = """
import os
from locust import FastHttpUser, HttpUser, TaskSet, constant, task

class Numbered:
    abstract = True
    made = 0

    def __init__(self, environment):
        super().__init__(environment)
        self.me = {"X-User": f"{type(self).__name__}-{os.getpid()}-{type(self).made}"}
        type(self).made += 1

    def ask(self, path):
        self.client.get(path, headers=self.me)

class Reader(Numbered, FastHttpUser):
    @task
    def read(self):
        self.ask("/items/1")

class SlowReader(Numbered, HttpUser):
    @task
    def read(self):
        self.ask("/items/2")

class Patient(Numbered, FastHttpUser):
    wait_time = constant(0.02)

    @task
    def read(self):
        self.ask("/items/3")

class PatientInside(Numbered, FastHttpUser):
    @task
    class Inside(TaskSet):
        wait_time = constant(0.02)

        @task
        def read(self):
            self.user.ask("/items/4")

class Follower(Numbered, FastHttpUser):
    max_redirects = 3

    @task
    def follow(self):
        for path in ("/hop/2", "/hop/7", "/away", "/items/1"):
            self.ask(path)

class SlowFollower(Numbered, HttpUser):
    @task
    def follow(self):
        self.client.max_redirects = 3
        for path in ("/hop/2", "/hop/7", "/away", "/items/1"):
            self.ask(path)
"""


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("theirs") / "theirs.py"
    file.write_text(THEIRS)
    return file


@pytest.fixture(scope="module")
def alone(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One plain process, with secrets to send along."""
    files = f"{theirs},{LOCUSTFILES / 'lab_plugin.py'}"
    locust = Cluster(files, tmp_path_factory.mktemp("alone"), workers=0, headers=SECRET)
    yield locust
    locust.close()


@pytest.fixture(scope="module")
def pair(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, with a scenario of the lab beside the foreign ones."""
    files = f"{theirs},{LOCUSTFILES / 'lab_plugin.py'},{LOCUSTFILES / 'io_bound.py'}"
    locust = Cluster(files, tmp_path_factory.mktemp("pair"), workers=2)
    yield locust
    locust.close()


@pytest.fixture(scope="module")
def generator(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocustGenerator]:
    """The engine's adapter with one worker, as a run with ``locustfile`` and ``headers_from_env`` starts it."""
    folder = tmp_path_factory.mktemp("generator")
    with ChildProcesses() as children:
        host = LocalLocust(
            files=[theirs, LOCUSTFILES / "lab_plugin.py"],
            cpus=frozenset({min(os.sched_getaffinity(0))}),
            env={"PYTHONWARNINGS": "ignore", "LAB_HEADERS_JSON": json.dumps(SECRET)},
            children=children,
            logs=folder,
            targets=ScrapeTargets(folder / "targets.json"),
        )
        generator = LocustGenerator(host, SystemClock())
        generator.start()
        yield generator
        generator.close()


def swarm(stub: Stub, theirs: Path, user_class: str, *, think_s: float, phase_s: float) -> Swarm:
    return Swarm(
        trial=f"{user_class}-{think_s}",
        url=stub.url,
        scenario=Scenario(user_class=user_class, locustfile=theirs),
        users=USERS,
        think_s=think_s,
        phase_s=phase_s,
        seed=SEED,
        good_within_s=1.0,
    )


def seeded_order() -> list[int]:
    """The users in the order in which their phases end."""
    phases_s = [Random(f"{SEED}/{number}/phase").uniform(0.0, PHASE_S) for number in range(USERS)]
    ended_s = sorted(phases_s)
    assert min(later - earlier for earlier, later in pairwise(ended_s)) > 0.1, "choose a seed that tells them apart"
    return sorted(range(USERS), key=lambda number: phases_s[number])


@pytest.mark.parametrize("user_class", ["Reader", "SlowReader"])
def test_headers_think_time_and_seeded_phase_reach_users_that_know_nothing_of_the_lab(
    generator: LocustGenerator, stub: Stub, theirs: Path, user_class: str
) -> None:
    """Seen by the server: its own record of headers and arrivals."""
    order = swarm(stub, theirs, user_class, think_s=THINK_S, phase_s=PHASE_S)
    generator.swarm(order)
    generator.open_window(order.trial, opens_in_s=PHASE_S, measure_s=1.0)
    window = generator.collect(order.trial)
    books = generator.stop(order.trial)
    arrivals, log = defaultdict(list), stub.log()
    for entry in log:
        assert (entry["authorization"], entry["x-api-key"]) == ("bearer s3cret", "k3y")
        arrivals[int(entry["x-user"].rpartition("-")[2])].append(entry["at_s"])
    assert books.sent == books.answered == len(log) == stub.counters()["served"]
    assert list(arrivals) == seeded_order(), "first arrivals, in the order of the seeded phases"
    for times_s in arrivals.values():
        assert len(times_s) > 2
        assert min(later - earlier for earlier, later in pairwise(times_s)) >= THINK_S
    thinking_s = window.user_time_s - window.request_time_s
    assert window.user_time_s == pytest.approx(USERS * window.measure_s, rel=0.02)
    assert window.ok == pytest.approx(thinking_s / THINK_S, rel=0.3)


@pytest.mark.parametrize("user_class", ["Patient", "PatientInside"])
def test_a_wait_time_of_ones_own_rules_only_where_no_think_time_is_asked_for_and_says_so(
    alone: Cluster, stub: Stub, user_class: str
) -> None:
    gaps_s, own = {}, {}
    for think_s in (0.0, THINK_S):
        key = f"{user_class}-{think_s}"
        begun = len(stub.log())
        alone.post("trials", {"id": key})
        alone.swarm(stub.url, user_class, 1, think_s=think_s)
        alone.post("windows", {"id": key, "opens_in_s": 0.0, "measure_s": 1.0})
        own[think_s] = alone.window(key)
        alone.drained(key)
        gaps_s[think_s] = [b["at_s"] - a["at_s"] for a, b in pairwise(stub.log()[begun:])]
    assert own[0.0]["own_waits"] == [user_class]
    assert f"{user_class} waits as its own wait_time says" in own[0.0]["notes"][0]
    assert 0.02 <= min(gaps_s[0.0]) < THINK_S
    assert own[THINK_S]["own_waits"] == own[THINK_S]["notes"] == []
    assert min(gaps_s[THINK_S]) >= THINK_S


@pytest.mark.parametrize("user_class", ["Follower", "SlowFollower"])
def test_followed_redirects_are_requests_in_the_books_and_keep_secrets_at_home(
    alone: Cluster, stub: Stub, user_class: str
) -> None:
    """Two hops, a chain that is longer than the client follows, another origin, and none: sent = served."""
    alone.post("trials", {"id": user_class})
    alone.swarm(stub.url, user_class, 2, think_s=0.01)
    alone.post("windows", {"id": user_class, "opens_in_s": 0.0, "measure_s": 1.0})
    window, books = alone.window(user_class), alone.drained(user_class)
    log = stub.log()
    arrived = Counter(entry["path"] for entry in log)
    assert books["sent"] == books["answered"] + books["failed"] == len(log) == stub.counters()["served"]
    assert books["failed"] == arrived["/hop/4"] > 0, "after three redirects the fourth is a failure"
    assert arrived["/hop/3"] == 0
    assert (
        books["outcomes"]["302"]
        == sum(arrived[path] for path in ("/hop/7", "/hop/6", "/hop/5", "/away")) + 2 * (arrived["/hop/2"])
    )
    assert window["ok"] == pytest.approx(window["failed"] * 3, abs=8), "a window counts what the scenario asked for"
    for entry in log:
        is_home = entry["host"].startswith("127.0.0.1:")
        assert is_home == ("authorization" in entry) == ("x-api-key" in entry), entry


def test_users_are_spread_exactly_over_several_hosts_whichever_worker_they_are_on(pair: Cluster, stub: Stub) -> None:
    """Seven users, two workers, three hosts: user i asks host i mod 3, so three, two and two."""
    hosts = [f"http://127.0.0.{number}:{stub.port}" for number in (1, 2, 3)]
    for round_number, user_class in enumerate(("Reader", "SlowReader", "Reader")):
        key, begun = f"t{round_number}", len(stub.log())
        pair.post("trials", {"id": key})
        pair.swarm(", ".join(hosts), user_class, 7, think_s=0.02, phase_s=0.1)
        pair.post("windows", {"id": key, "opens_in_s": 0.2, "measure_s": 0.5})
        pair.window(key)
        books = pair.drained(key)
        log = stub.log()[begun:]
        assert books["sent"] == len(log)
        asked = {entry["x-user"]: entry["host"] for entry in log}
        assert Counter(asked.values()) == {f"127.0.0.{n}:{stub.port}": 3 if n == 1 else 2 for n in (1, 2, 3)}
        assert all(asked[entry["x-user"]] == entry["host"] for entry in log), "a user stays with its host"
        assert len({user.split("-")[1] for user in asked}) == 2, "both workers have users"
    pair.post("trials", {"id": "lab"})
    pair.swarm(",".join(hosts), "IoBoundUser", 6, phase_s=0.1)
    pair.post("windows", {"id": "lab", "opens_in_s": 0.1, "measure_s": 0.5})
    assert pair.window("lab")["ok"] > 0
    assert pair.drained("lab")["failed"] == 0


def test_a_worker_ends_when_its_master_is_gone_and_when_another_has_taken_its_place(
    stub: Stub, theirs: Path, tmp_path: Path
) -> None:
    """No load goes on without anybody who measures it; whoever started the worker starts the next one."""
    locust = Cluster(f"{theirs},{LOCUSTFILES / 'lab_plugin.py'}", tmp_path, workers=1)
    try:
        locust.swarm(stub.url, "Reader", 2, think_s=0.01)
        (orphan,) = locust.workers.values()
        locust.processes[0].kill()
        locust.processes[0].wait()
        assert orphan.wait(PATIENCE_S) == 1
        assert "The master has said nothing for 10 s, so this worker ends" in (tmp_path / "worker.log").read_text()

        locust.processes.append(locust.start("master", locust.master))
        next_worker = locust.worker()
        wait_until(lambda: locust.get("status")[0] == 200 and locust.status()["workers"] == 1, "the next worker")
        locust.processes[-2].kill()
        locust.processes[-2].wait()
        locust.processes.append(locust.start("master", locust.master))
        assert next_worker.wait(PATIENCE_S) is not None
        assert "Got quit message from master" in (tmp_path / "worker.log").read_text()
        wait_until(lambda: locust.get("status")[0] == 200, "the third master")
        assert locust.status()["workers"] == 0
    finally:
        locust.close()


def test_workers_are_known_by_the_name_of_their_host(pair: Cluster) -> None:
    """In a cluster that is the pod, where each has process id 1."""
    assert pair.status()["worker_names"] == [socket.gethostname()] * 2
    pair.post("windows", {"id": "names", "opens_in_s": 0.0, "measure_s": 0.2})
    assert pair.window("names")["workers_from_first_to_last"] == [socket.gethostname()] * 2


def test_a_request_is_sent_after_the_generator_has_given_way_and_its_clock_runs_from_then() -> None:
    """Everybody else who was ready has had a turn before the clock starts; from then on nobody has, until the write."""
    env = {**os.environ, "PYTHONPATH": str(LOCUSTFILES)}
    run = subprocess.run(
        [sys.executable, str(ORDER)], capture_output=True, text=True, timeout=PATIENCE_S, check=True, env=env
    )
    seen = json.loads(run.stdout)
    before = seen["request"][: seen["request"].index("write, clock runs")]
    assert before
    assert set(before) == {"turn of another, being prepared"}
    for name, wait_s in (("none", 0.0), ("own", 0.002), ("imposed", 0.003)):
        began_s, due_s = seen["due"][name]
        assert due_s - began_s == pytest.approx(wait_s, abs=1e-9), f"when the {name} wait was to end"
