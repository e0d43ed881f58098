"""The engine's side of Locust's web interface, against a small server that answers as the lab's routes do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from builders import make_load_window
from loadlab.errors import LoadError
from loadlab.execute.locust import LocustGenerator
from loadlab.execute.ports import Arrivals, Swarm
from loadlab.model.experiment import Scenario
from simulated import FakeClock


@dataclass(slots=True)
class Master:
    """What the fake master knows, and what it was asked."""

    users: int = 0
    drains: int = 0
    """How many more times the status says that it drains."""
    joins_after: int = 0
    workers: int = 2
    pids: list[int] = field(default_factory=lambda: [11, 12])
    refusal: str | None = None
    refuses_trials: bool = False
    drops_users: int = 0
    drops_answers: bool = False
    longest_phase: int | None = None
    in_flight: list[int] = field(default_factory=lambda: [0])
    window_states: list[str] = field(default_factory=lambda: ["complete"])
    window: dict[str, Any] = field(default_factory=lambda: asdict(make_load_window()))
    garbled: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: str) -> tuple[int, Any]:
        self.seen.append((method, path, body))
        if path in self.garbled:
            return 200, self.garbled[path]
        if (refused := self._refused(method, path, body)) is not None:
            return refused
        if path == "/swarm":
            self.users = 0 if self.refusal else int(body.split('name="user_count"')[1].split()[0]) - self.drops_users
            return 200, {"success": self.refusal is None, "message": self.refusal or "Swarming started"}
        if path == "/lab/drain":
            self.users = 0
            return 202, {}
        if path == "/lab/status":
            return 200, self._status()
        if path.startswith("/lab/trials/"):
            left = self.in_flight.pop(0) if len(self.in_flight) > 1 else self.in_flight[0]
            return 200, {
                "sent": 9,
                "answered": 8,
                "failed": 1,
                "in_flight": left,
                "abandoned": 2,
                "outcomes": {"200": 8, "error:Reset": 1},
                "holes": ["worker 3 said nothing"],
            }
        if path.startswith("/lab/windows/"):
            state = self.window_states.pop(0) if len(self.window_states) > 1 else self.window_states[0]
            return 200, {**self.window, "state": state} if state in ("complete", "partial") else {"state": state}
        return 202, {}

    def _refused(self, method: str, path: str, body: str) -> tuple[int, Any] | None:
        if (method, path) == ("POST", "/lab/trials") and self.refuses_trials:
            return 409, {"error": "trial 'x' has 3 requests in flight; drain it first"}
        if path == "/lab/phase" and self.longest_phase is not None and len(body) > self.longest_phase:
            return 413, {"error": f"the body is too long; expected at most {self.longest_phase} bytes"}
        return None

    def _status(self) -> dict[str, Any]:
        self.joins_after = max(0, self.joins_after - 1)
        self.drains = max(0, self.drains - 1)
        return {
            "state": "draining" if self.drains else "running",
            "users": self.users,
            "workers": self.workers if not self.joins_after else 0,
            "workers_expected": 1,
            "worker_pids": self.pids if not self.joins_after else [],
            "in_flight": 3,
            "rps": 40.5,
            "p50_s": 0.2,
            "p99_s": None,
        }


class Host:
    """LocustHost over the fake master."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lost: list[str] = []
        self.replaced = 0
        self.closed = False
        self.pids: frozenset[int] | None = frozenset({11, 12})

    def start(self) -> None:
        pass

    def fallen(self) -> Sequence[str]:
        return list(self.lost)

    def replace_fallen(self) -> None:
        self.replaced += 1
        self.lost.clear()

    def workers(self) -> int:
        return 2

    def worker_pids(self) -> frozenset[int] | None:
        return self.pids

    def worker_names(self) -> frozenset[str] | None:
        return None

    def close(self) -> None:
        self.closed = True


class HurriedClock(FakeClock):
    """Long waits in few steps."""

    def sleep(self, seconds: float) -> None:
        super().sleep(20 * seconds)


@pytest.fixture
def clock() -> FakeClock:
    return HurriedClock()


@pytest.fixture
def master() -> Master:
    return Master()


@pytest.fixture
def host(master: Master) -> Iterator[Host]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status, answer = master.answer(self.command, self.path, body)
            if master.drops_answers:
                self.close_connection = True
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield Host(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.fixture
def generator(host: Host, clock: FakeClock) -> LocustGenerator:
    return LocustGenerator(host, clock)


def _swarm(trial: str = "b01-008-pool", users: int = 8) -> Swarm:
    return Swarm(
        trial=trial,
        url="http://127.0.0.1:8000",
        scenario=Scenario(user_class="IoBoundUser", locustfile=Path("io_bound.py")),
        users=users,
        think_s=0.5,
        phase_s=0.7,
        seed=7,
        good_within_s=1.0,
    )


def test_a_start_waits_until_every_worker_has_joined(generator: LocustGenerator, master: Master) -> None:
    master.joins_after = 4
    generator.start()
    assert len(master.seen) == 4


def test_workers_that_never_join_are_given_up_with_the_reason(
    generator: LocustGenerator, master: Master, clock: FakeClock
) -> None:
    master.workers = 1
    began_s = clock.monotonic_s()
    with pytest.raises(LoadError, match="not all of its 2 Locust workers joined; see the logs"):
        generator.start()
    assert clock.monotonic_s() - began_s == pytest.approx(30.0, abs=2.0)


def test_a_start_ends_at_once_when_a_process_has_fallen(
    generator: LocustGenerator, master: Master, host: Host, clock: FakeClock
) -> None:
    master.workers = 0
    host.lost = ["locust-worker-0 ended with exit code 1; last log lines: no such file"]
    began_s = clock.monotonic_s()
    with pytest.raises(LoadError, match="did not start: locust-worker-0 ended with exit code 1; last log lines"):
        generator.start()
    assert clock.monotonic_s() == began_s


def test_a_swarm_opens_the_books_and_then_starts_its_users(generator: LocustGenerator, master: Master) -> None:
    generator.swarm(_swarm())
    (first, form) = [(path, body) for method, path, body in master.seen if method == "POST"]
    assert first == ("/lab/trials", '{"id":"b01-008-pool","good_within_s":1.0}')
    for name, value in {
        "user_count": "8",
        "host": "http://127.0.0.1:8000",
        "user_classes": "IoBoundUser",
        "think_s": "0.5",
        "phase_s": "0.7",
        "lab_seed": "7",
        "good_within_s": "1.0",
    }.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n' in form[1]


def test_an_open_swarm_has_one_leading_user_for_each_worker(generator: LocustGenerator, master: Master) -> None:
    arrivals = Arrivals(rate_rps=150, pattern="constant steps(1@0s, 2@9s)", in_flight_max=77)
    generator.swarm(replace(_swarm(users=150), arrivals=arrivals))
    form = next(body for _, path, body in master.seen if path == "/swarm")
    for name, value in {
        "user_count": "2",
        "rate_rps": "150",
        "arrivals": "constant steps(1@0s, 2@9s)",
        "in_flight_max": "77",
        "lab_seed": "7",
    }.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n' in form


def test_a_closed_swarm_says_so_because_locust_remembers_options(generator: LocustGenerator, master: Master) -> None:
    generator.swarm(_swarm())
    form = next(body for _, path, body in master.seen if path == "/swarm")
    assert 'name="rate_rps"\r\n\r\n0\r\n' in form


def test_a_swarm_that_locust_refuses_is_told_in_its_words(generator: LocustGenerator, master: Master) -> None:
    master.refusal = "Unknown user class"
    with pytest.raises(LoadError, match="Locust refused to start IoBoundUser: Unknown user class"):
        generator.swarm(_swarm())


def test_a_swarm_that_never_fills_is_given_up(generator: LocustGenerator, master: Master) -> None:
    master.drops_users = 3
    with pytest.raises(LoadError, match="only 5 of 8 users were started"):
        generator.swarm(_swarm())


def test_a_refused_trial_is_told_in_one_line(generator: LocustGenerator, master: Master) -> None:
    master.refuses_trials = True
    with pytest.raises(LoadError, match=r"POST /lab/trials got status 409: trial 'x' has 3 requests in flight"):
        generator.swarm(_swarm())


def test_a_trial_that_is_tried_again_has_an_id_of_its_own_in_locust(generator: LocustGenerator, master: Master) -> None:
    for _ in range(2):
        generator.swarm(_swarm())
        generator.open_window("b01-008-pool", opens_in_s=1.0, measure_s=2.0)
        generator.collect("b01-008-pool")
        generator.stop("b01-008-pool")
    ids = [json.loads(body)["id"] for _, path, body in master.seen if path in ("/lab/trials", "/lab/windows")]
    assert ids == ["b01-008-pool"] * 2 + ["b01-008-pool~2"] * 2
    assert master.seen[-1][1] == "/lab/trials/b01-008-pool~2"


def test_a_window_is_collected_when_all_its_parts_are_there(generator: LocustGenerator, master: Master) -> None:
    master.window_states = ["pending", "open", "closed", "complete"]
    load = generator.collect("b01-008-pool")
    assert load.state == "complete"
    assert load.ok == make_load_window().ok
    assert load.health.workers_expected == 2, "the engine knows how many there shall be, not the master"


def test_a_partial_window_keeps_its_holes(generator: LocustGenerator, master: Master) -> None:
    master.window_states = ["partial"]
    master.window["holes"] = ["worker 1 disappeared 2.0 s after the window opened"]
    load = generator.collect("b01-008-pool")
    assert load.state == "partial"
    assert load.holes == ("worker 1 disappeared 2.0 s after the window opened",)


def test_a_window_that_never_closes_is_given_up(generator: LocustGenerator, master: Master) -> None:
    master.window_states = ["open"]
    with pytest.raises(LoadError, match="window b01-008-pool is still open"):
        generator.collect("b01-008-pool")


def test_a_window_of_the_wrong_shape_is_named(generator: LocustGenerator, master: Master) -> None:
    master.window["ok"] = "many"
    with pytest.raises(LoadError, match=r"window b01-008-pool: Locust sent ok: .*integer"):
        generator.collect("b01-008-pool")


def test_a_window_that_lacks_a_field_is_named(generator: LocustGenerator, master: Master) -> None:
    del master.window["user_time_s"]
    with pytest.raises(LoadError, match=r"window b01-008-pool: Locust sent user_time_s: .*"):
        generator.collect("b01-008-pool")


def test_a_stop_waits_until_nothing_is_in_flight(generator: LocustGenerator, master: Master) -> None:
    master.drains, master.in_flight = 3, [2, 1, 0]
    books = generator.stop("b01-008-pool")
    assert (books.sent, books.answered, books.failed, books.in_flight, books.abandoned) == (9, 8, 1, 0, 2)
    assert books.holes == ("worker 3 said nothing",)
    assert master.seen[0][:2] == ("POST", "/lab/drain")


def test_a_drain_that_never_ends_is_given_up(generator: LocustGenerator, master: Master, clock: FakeClock) -> None:
    master.in_flight = [1]
    began_s = clock.monotonic_s()
    with pytest.raises(LoadError, match="trial b01-008-pool still has requests in flight"):
        generator.stop("b01-008-pool")
    assert clock.monotonic_s() - began_s > 150.0, "longer than the longest request"


def test_the_status_says_what_is_not_known_as_absent(generator: LocustGenerator, master: Master) -> None:
    status = generator.status()
    assert (status.rps, status.p50_s, status.p99_s) == (40.5, 0.2, None)
    assert (status.workers, status.workers_expected, status.in_flight) == (2, 2, 3)


def test_a_dead_master_is_told_with_the_end_of_its_log(clock: FakeClock) -> None:
    host = Host("http://127.0.0.1:1")
    host.lost = ["locust-master was killed by SIGKILL; last log lines: Starting web interface"]
    with pytest.raises(LoadError, match=r"GET /lab/status got no answer: locust-master was killed by SIGKILL; last"):
        LocustGenerator(host, clock).status()


def test_an_answer_that_is_no_json_is_one_line(generator: LocustGenerator, master: Master) -> None:
    master.garbled["/lab/status"] = b"<html>Bad Gateway</html>"
    with pytest.raises(LoadError, match=r"GET /lab/status got .*Bad Gateway"):
        generator.status()


def test_an_answer_without_what_is_needed_is_one_line(generator: LocustGenerator, master: Master) -> None:
    master.garbled["/lab/status"] = b'{"users": 3}'
    with pytest.raises(LoadError, match=r"GET /lab/status .*answered, but \w+ is missing"):
        generator.status()


def test_healing_replaces_what_fell_and_waits_for_it(generator: LocustGenerator, master: Master, host: Host) -> None:
    assert generator.heal() == []
    assert host.replaced == 0
    host.lost = ["locust-worker-0 was killed by SIGKILL; its log is empty"]
    host.pids = frozenset({12, 13})
    master.pids, master.joins_after = [12, 13], 5
    assert generator.heal() == ["locust-worker-0 was killed by SIGKILL; its log is empty"]
    assert host.replaced == 1


def test_healing_is_not_content_with_a_worker_that_is_dead_but_still_listed(
    generator: LocustGenerator, host: Host
) -> None:
    host.lost = ["locust-worker-0 was killed by SIGKILL; its log is empty"]
    host.pids = frozenset({12, 13})
    with pytest.raises(LoadError, match="not all of its 2 Locust workers joined"):
        generator.heal()


def test_where_process_ids_are_not_known_the_number_counts(generator: LocustGenerator, host: Host) -> None:
    host.pids = None
    generator.start()


def test_closing_ends_the_host(generator: LocustGenerator, host: Host) -> None:
    generator.close()
    assert host.closed


def test_a_locust_that_outlives_the_run_is_told_to_send_nothing_more(
    generator: LocustGenerator, master: Master, host: Host
) -> None:
    generator.status()
    generator.close()
    assert master.seen[-1][:2] == ("POST", "/lab/drain")
    assert host.closed


def test_one_that_does_not_answer_any_more_is_closed_without_a_word(
    generator: LocustGenerator, master: Master, host: Host
) -> None:
    generator.status()
    master.drops_answers = True
    generator.close()
    assert host.closed


def test_a_window_is_closed_and_a_drain_given_up_by_the_names_that_locust_knows(
    generator: LocustGenerator, master: Master
) -> None:
    for _ in range(2):
        generator.swarm(_swarm())
    generator.close_window("b01-008-pool")
    generator.abandon()
    assert [call[:2] for call in master.seen[-2:]] == [
        ("DELETE", "/lab/windows/b01-008-pool~2"),
        ("POST", "/lab/abandon"),
    ]


def test_a_phase_is_posted_and_one_that_is_refused_is_a_line_and_no_error(
    generator: LocustGenerator, master: Master, host: Host
) -> None:
    assert generator.tell({"stack": "pool", "users": 8}) is None
    assert ("POST", "/lab/phase", '{"stack":"pool","users":8}') in master.seen
    master.garbled["/lab/phase"] = b"<html>"
    assert "POST /lab/phase got status 200" in str(generator.tell({}))
    host.url = "http://127.0.0.1:9"
    assert "POST /lab/phase got no answer" in str(generator.tell({}))


def test_a_phase_that_is_too_long_turns_the_counts_to_its_stack_all_the_same(
    generator: LocustGenerator, master: Master
) -> None:
    master.longest_phase = 40
    phase = {"stack": "pool", "levels": [{"stack": "pool", "users": 8, "billed": []}]}
    assert "status 413: the body is too long" in (told := str(generator.tell(phase)))
    assert told.endswith("; told without its levels")
    assert master.seen[-1] == ("POST", "/lab/phase", '{"stack":"pool"}')
    master.longest_phase = 4
    assert str(generator.tell(phase)).endswith("expected at most 4 bytes")


def test_its_metrics_are_kept_with_the_time_they_were_asked_for(
    generator: LocustGenerator, master: Master, clock: FakeClock
) -> None:
    generator.scrape()
    assert generator.take_scrapes() == "", "nothing answered yet"
    master.garbled["/metrics?levels=0"] = b"locust_users 8.0\n"
    generator.status()
    generator.scrape()
    assert generator.take_scrapes() == f"# scraped {clock.unix_s():.6f}\nlocust_users 8.0\n"
    assert generator.take_scrapes() == ""
