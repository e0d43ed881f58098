"""Trials and windows on the master, driven by messages of workers that are played here."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import _fleet
import _windows
import gevent
import pytest
from _fleet import Fleet, Worker
from _refusal import Refusal, number_field, text_field
from _tally import WindowTally
from _totals import Totals
from _trials import Trials
from _windows import KEPT_WINDOWS, Windows

from loadlab.errors import AbortedByRule
from loadlab.execute.ports import LiveStatus
from loadlab.model.experiment import AbortRule
from loadlab.pipeline.abort import AbortWatch

NO_TOTALS = Totals(1.0).message(str)
IDLE_HEALTH = {"cpu_cores": 0.0, "steal_ratio": None, "throttled_s": None, "group": ""}


class Runner:
    """Hands messages over as Locust's runners do; ``answer`` plays the workers."""

    def __init__(self, expect_workers: int = 1) -> None:
        self.environment = SimpleNamespace(parsed_options=SimpleNamespace(expect_workers=expect_workers, rate_rps=0.0))
        self.listeners: dict[str, Callable[..., None]] = {}
        self.sent: list[tuple[str, Any, str]] = []
        self.clients: dict[str, object] | None = None
        self.answers: dict[str, dict[str, Any]] = {}

    def register_message(self, kind: str, listener: Callable[..., None]) -> None:
        self.listeners[kind] = listener

    def send_message(self, kind: str, data: Any, client_id: str) -> None:
        self.sent.append((kind, data, client_id))
        if kind == "lab_ask" and client_id in self.answers:
            self.say("lab_reply", client_id, {**self.answers[client_id], "seq": data["seq"]})

    def say(self, kind: str, worker_id: str, data: dict[str, Any]) -> None:
        self.listeners[kind](environment=None, msg=SimpleNamespace(node_id=worker_id, data=data))


class Stage:
    def __init__(self, expect_workers: int = 1) -> None:
        self.runner = Runner(expect_workers)
        self.fleet = Fleet(self.runner)
        self.fleet.listen()
        self.trials = Trials(self.fleet, 1.0)
        self.windows = Windows(self.runner, self.fleet)
        self.fleet.on_join += [self.trials.greet, self.windows.greet]

    def join(self, worker_id: str, clock_s: float | None = None, **books: Any) -> None:
        page = {"sent": 0, "answered": 0, "failed": 0, "in_flight": 0, "outcomes": {}, **books}
        clock = clock_s if clock_s is not None else perf_counter()
        self.runner.answers[worker_id] = {"clock_s": clock, "users": 0, "books": page, "totals": NO_TOTALS}
        self.runner.say("lab_hello", worker_id, {"pid": 4242, "name": worker_id})
        gevent.sleep(0)

    def part(self, worker_id: str, window_id: str, **changes: Any) -> None:
        part = WindowTally(0.0, 1.0, 1.0).part(str)
        extra = {"id": window_id, "early": False, "late_s": 0.0, "ended_s": 1.0, "unjudged": 0, "own_waits": []}
        self.runner.say("lab_part", worker_id, {**part, **extra, "health": IDLE_HEALTH, **changes})


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass on the master."""
    ahead = [0.0]
    now = perf_counter
    for module in (_fleet, _windows):
        monkeypatch.setattr(module, "perf_counter", lambda: now() + ahead[0])

    def pass_time(seconds: float) -> None:
        ahead[0] += seconds

    return pass_time


def test_a_window_is_ordered_in_each_workers_own_time(stage: Stage) -> None:
    ahead_s = perf_counter() + 5000.0
    stage.join("near")
    stage.join("far", clock_s=ahead_s)
    stage.windows.open("w", 10.0, 2.0, 0.5)
    orders = {worker: order for kind, order, worker in stage.runner.sent if kind == "lab_open"}
    assert orders["far"]["opens_s"] - orders["near"]["opens_s"] == pytest.approx(5000.0, abs=0.5)
    assert orders["near"]["closes_s"] - orders["near"]["opens_s"] == pytest.approx(2.0)
    assert orders["near"]["good_within_s"] == 0.5


def test_a_window_goes_from_pending_to_complete(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.windows.open("w", 10.0, 2.0, 1.0)
    states = [stage.windows.get("w")["state"]]
    for seconds in (11.0, 2.0):
        later(seconds)
        stage.runner.say("lab_pulse", "a", pulse())
        states.append(stage.windows.get("w")["state"])
    stage.part("a", "w", ok=3, sent=3)
    window = stage.windows.get("w")
    assert [*states, window["state"]] == ["pending", "open", "closed", "complete"]
    assert (window["ok"], window["holes"], window["health"]["workers"]) == (3, [], 1)


def test_a_load_is_open_while_the_last_swarm_has_a_rate_and_closed_with_the_next_that_has_none(stage: Stage) -> None:
    options = stage.runner.environment.parsed_options
    told = []
    for options.rate_rps in (0.0, 60.0, 0.0):
        told.append(stage.fleet.is_open)
    assert told == [False, True, False]


def test_a_worker_that_falls_silent_makes_the_window_partial(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.join("b")
    stage.windows.open("w", 0.0, 2.0, 1.0)
    later(5.5)
    stage.runner.say("lab_pulse", "a", pulse())
    stage.part("a", "w", ok=7)
    window = stage.windows.get("w")
    assert (window["state"], window["ok"]) == ("partial", 7)
    assert window["holes"] == ["worker b (pid 4242) said nothing for 5 s; what it measured in this window is unknown"]
    assert (window["health"]["workers"], window["health"]["workers_expected"]) == (1, 2)


def test_a_part_that_does_not_come_is_waited_for_ten_seconds(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.windows.open("w", 0.0, 1.0, 1.0)
    for seconds, state in ((4.0, "closed"), (4.0, "closed"), (4.0, "partial")):
        later(seconds)
        stage.runner.say("lab_pulse", "a", pulse())
        assert stage.windows.get("w")["state"] == state
    assert "sent no part within 10 s" in stage.windows.get("w")["holes"][0]


def test_late_and_early_workers_are_holes(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.windows.open("w", 0.0, 4.0, 1.0)
    later(1.5)
    stage.join("b")
    stage.part("a", "w", early=True, ended_s=2.0)
    later(3.0)
    stage.part("b", "w", late_s=1.5)
    window = stage.windows.get("w")
    assert window["state"] == "partial"
    assert any("worker a" in hole and "quit 2.000 s after the opening" in hole for hole in window["holes"])
    assert any("worker b" in hole and "joined 1.5" in hole for hole in window["holes"])


def test_a_worker_is_ordered_once_however_early_it_is_seen(stage: Stage) -> None:
    """It counts from its hello on, and is greeted a few echoes later."""
    stage.join("a")
    stage.windows.open("w", 10.0, 1.0, 1.0)
    stage.windows.greet(stage.fleet.workers["a"])
    assert [kind for kind, _, _ in stage.runner.sent].count("lab_open") == 1


def test_a_worker_that_went_on_counting_after_an_early_end_is_a_hole(
    stage: Stage, later: Callable[[float], None]
) -> None:
    stage.join("a")
    stage.windows.open("w", 0.0, 100.0, 1.0)
    later(4.0)
    stage.windows.close("w")
    later(0.5)
    stage.part("a", "w", measure_s=4.5)
    window = stage.windows.get("w")
    assert window["state"] == "partial"
    assert "worker a (pid 4242) went on counting for 4.500 s, the window was 4.1" in window["holes"][0]


def test_what_a_worker_had_sent_before_its_farewell_does_not_bring_it_back(stage: Stage) -> None:
    stage.join("a")
    books = stage.runner.answers["a"]["books"]
    stage.runner.say("lab_bye", "a", {"users": 0, "books": books, "totals": NO_TOTALS})
    stage.runner.say("lab_pulse", "a", pulse())
    assert stage.fleet.living == []


def test_too_few_workers_are_a_hole(later: Callable[[float], None]) -> None:
    stage = Stage(expect_workers=2)
    stage.join("a")
    stage.windows.open("w", 0.0, 1.0, 1.0)
    later(2.0)
    stage.part("a", "w")
    assert "1 of 2 expected workers" in stage.windows.get("w")["holes"][0]


def test_closing_early_tells_the_workers_and_shortens_the_window(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.windows.open("w", 0.0, 100.0, 1.0)
    later(4.0)
    stage.windows.close("w")
    assert "lab_close" in {kind for kind, _, _ in stage.runner.sent}
    later(0.5)
    stage.part("a", "w")
    window = stage.windows.get("w")
    assert window["state"] == "complete"
    assert window["measure_s"] == pytest.approx(4.1, abs=0.3)


def test_only_the_last_windows_are_kept(stage: Stage) -> None:
    stage.join("a")
    for number in range(KEPT_WINDOWS + 1):
        stage.windows.open(f"w{number}", 10.0, 1.0, 1.0)
    with pytest.raises(Refusal, match="window 'w0' is not known"):
        stage.windows.get("w0")
    assert stage.windows.get("w1")["state"] == "pending"


def test_a_window_needs_a_worker_and_an_id_of_its_own(stage: Stage) -> None:
    with pytest.raises(Refusal, match="no worker is connected; start one"):
        stage.windows.open("w", 0.0, 1.0, 1.0)
    stage.join("a")
    stage.windows.open("w", 10.0, 1.0, 1.0)
    with pytest.raises(Refusal, match="'w' exists already"):
        stage.windows.open("w", 10.0, 1.0, 1.0)


def test_books_are_added_up_over_the_workers(stage: Stage) -> None:
    stage.join("a", sent=3, answered=2, failed=1, outcomes={"200": 2, "error:OSError": 1})
    stage.join("b", sent=4, answered=4, outcomes={"200": 4})
    stage.trials.start("t", 0.5)
    books = stage.trials.get("t")
    assert (books["sent"], books["answered"], books["failed"], books["holes"]) == (7, 6, 1, [])
    assert books["outcomes"] == {"200": 6, "error:OSError": 1}
    assert stage.trials.good_within_s == 0.5


def test_a_trial_is_refused_while_requests_are_in_flight(stage: Stage) -> None:
    stage.join("a")
    stage.trials.start("t1", None)
    stage.runner.answers["a"]["books"]["in_flight"] = 2
    with pytest.raises(Refusal, match="trial 't1' has 0 users and 2 requests in flight; drain it first") as refusal:
        stage.trials.start("t2", None)
    assert refusal.value.status == 409
    assert stage.trials.active == "t1"


def test_a_trial_is_refused_while_users_think_because_their_next_requests_would_be_in_two_books(stage: Stage) -> None:
    stage.join("a")
    stage.runner.answers["a"]["users"] = 3
    with pytest.raises(Refusal, match="the load that runs has 3 users and 0 requests in flight"):
        stage.trials.start("t", None)
    assert stage.trials.active is None


def test_a_finished_trial_keeps_its_last_books(stage: Stage) -> None:
    stage.join("a", sent=5, answered=5)
    stage.trials.start("t1", None)
    stage.trials.start("t2", None)
    stage.runner.answers["a"]["books"]["sent"] = 99
    assert stage.trials.get("t1")["sent"] == 5
    assert stage.trials.get("t2")["sent"] == 99


def test_a_worker_that_quits_leaves_its_books_and_a_lost_one_a_hole(
    stage: Stage, later: Callable[[float], None]
) -> None:
    for worker_id in ("a", "b", "c"):
        stage.join(worker_id, sent=1, answered=1)
    stage.trials.start("t", None)
    left = {"sent": 6, "answered": 4, "failed": 0, "in_flight": 2, "outcomes": {"200": 4}}
    later(6.0)
    stage.runner.say("lab_bye", "b", {"users": 2, "books": left, "totals": NO_TOTALS})
    stage.runner.say("lab_pulse", "a", pulse())
    books = stage.trials.get("t")
    assert (books["sent"], books["answered"], books["workers"]) == (7, 5, 1)
    assert (books["in_flight"], books["abandoned"]) == (0, 2)
    assert books["holes"] == [
        "worker b (pid 4242) quit during the trial with 2 requests in flight",
        "worker c (pid 4242) said nothing for 5 s; what it sent in this trial is unknown",
    ]


def test_a_worker_that_was_swapped_for_another_between_trial_and_window_is_a_hole(
    stage: Stage, later: Callable[[float], None]
) -> None:
    """Both go by the same process id, as in a cluster; their number is the same throughout."""
    for worker_id in ("pod-a", "pod-b"):
        stage.join(worker_id)
    stage.trials.start("t", None)
    page = stage.runner.answers["pod-b"]["books"]
    left = {**page, "sent": 2, "answered": 2}
    stage.runner.say("lab_bye", "pod-b", {"users": 0, "books": left, "totals": NO_TOTALS})
    stage.join("pod-c")
    stage.windows.open("w", 0.0, 1.0, 1.0, stage.trials.crew)
    later(2.0)
    for worker_id in ("pod-a", "pod-c"):
        stage.part(worker_id, "w")
    window, books = stage.windows.get("w"), stage.trials.get("t")
    assert window["state"] == "partial"
    assert window["holes"] == [
        "worker pod-c (pid 4242) joined after the trial had begun",
        "worker pod-b (pid 4242) quit before the window was ordered; its users left with it",
    ]
    assert window["workers_from_first_to_last"] == ["pod-a"]
    assert books["holes"] == [
        "worker pod-b (pid 4242) quit during the trial",
        "worker pod-c (pid 4242) joined after the trial had begun",
    ]


def test_a_whole_crew_is_proven_by_name(stage: Stage, later: Callable[[float], None]) -> None:
    for worker_id in ("pod-a", "pod-b"):
        stage.join(worker_id)
    stage.trials.start("t", None)
    stage.windows.open("w", 0.0, 1.0, 1.0, stage.trials.crew)
    later(2.0)
    for worker_id in ("pod-a", "pod-b"):
        stage.part(worker_id, "w")
    window = stage.windows.get("w")
    assert (window["state"], window["workers_from_first_to_last"]) == ("complete", ["pod-a", "pod-b"])


def test_the_shortest_echo_tells_the_offset_and_half_of_it_the_error() -> None:
    worker = Worker("a", 1, "pod-a", 0.0)
    assert worker.offset_error_s is None
    worker.echoes.extend([(0.080, 5000.035), (0.002, 5000.001), (0.040, 4999.980)])
    assert worker.offset_s == 5000.001
    assert worker.offset_error_s == 0.001


def test_clocks_are_compared_anew_when_a_trial_begins(stage: Stage) -> None:
    """A clock of another host may have drifted since the worker joined; old echoes count no more."""
    stage.join("a")
    stage.runner.answers["a"]["clock_s"] = perf_counter() + 100.0
    for trial_id in ("t1", "t2"):
        stage.trials.start(trial_id, None)
    assert stage.fleet.workers["a"].offset_s == pytest.approx(100.0, abs=1.0)


def test_a_part_whose_clock_is_not_known_well_is_a_hole(stage: Stage, later: Callable[[float], None]) -> None:
    stage.join("a")
    stage.windows.open("w", 0.0, 1.0, 1.0)
    stage.fleet.workers["a"].echoes.clear()
    stage.fleet.workers["a"].echoes.append((0.5, 0.0))
    later(2.0)
    stage.part("a", "w")
    assert stage.windows.get("w")["holes"] == [
        "the clock of worker a (pid 4242) is known within 0.2500 s only, so its part may be shifted"
    ]


def test_a_worker_of_the_master_before_is_told_to_end(stage: Stage) -> None:
    """Locust would give it no users and leave it alone for a minute."""
    stage.runner.clients = {"b": object()}
    stage.runner.say("lab_pulse", "a", pulse())
    stage.runner.say("lab_pulse", "b", pulse())
    assert ("quit", None, "a") in stage.runner.sent
    assert list(stage.fleet.workers) == ["b"]


def test_recent_figures_come_from_the_pulses_of_the_last_two_seconds(
    stage: Stage, later: Callable[[float], None]
) -> None:
    stage.join("a")
    assert stage.fleet.recent() == {"rps": 0.0, "error_ratio": None, "p50_s": None, "p99_s": None}
    stage.runner.say("lab_pulse", "a", pulse(ended=500, failed=500))
    later(3.0)
    stage.runner.say("lab_pulse", "a", pulse(ended=100, failed=25))
    recent = stage.fleet.recent()
    assert recent["error_ratio"] == 0.25
    assert recent["rps"] == pytest.approx(400.0, rel=0.5)


def test_recent_figures_begin_with_the_trial(stage: Stage, later: Callable[[float], None]) -> None:
    """Those of the stack before, or of another level, would be shown and judged as this trial's own."""
    stage.join("a")
    stage.trials.start("flask, 12 users", None)
    later(0.5)
    stage.runner.say("lab_pulse", "a", pulse(ended=500, failed=500))
    stage.trials.start("fastapi, 1 user", None)
    later(0.1)
    stage.runner.say("lab_pulse", "a", pulse(ended=30))
    assert stage.fleet.recent()["rps"] == 0.0, "a pulse that began before the trial"
    later(0.3)
    stage.runner.say("lab_pulse", "a", pulse(ended=3))
    recent = stage.fleet.recent()
    assert recent["error_ratio"] == 0.0
    assert recent["rps"] == pytest.approx(3 / 0.25, rel=0.2)


def test_silence_of_a_stack_adds_up_although_the_other_answers_in_between(
    stage: Stage, later: Callable[[float], None]
) -> None:
    """Answers of the trial before, seen at the first look at a silent stack, would set its count to zero each time."""
    stage.join("a")
    watch, rule = AbortWatch(), AbortRule(error_ratio=None, p99_s=0.5, after_s=3.0)

    def two_looks(number: int, stack: str, ended: int) -> None:
        stage.trials.start(f"{stack}-{number}", None)
        watch.load_on(stack, 2.0 * number)
        for now_s in (2.0 * number + 1, 2.0 * number + 2):
            later(1.0)
            stage.runner.say("lab_pulse", "a", pulse(ended=ended))
            recent = {key: stage.fleet.recent()[key] for key in ("rps", "p50_s", "p99_s")}
            watch.observe(rule, now_s, LiveStatus(users=5, workers=1, workers_expected=1, in_flight=5, **recent), None)

    two_looks(0, "answers", 50)
    two_looks(1, "silent", 0)
    two_looks(2, "answers", 50)
    with pytest.raises(AbortedByRule, match=r"\[abort\]: silent: no answer to any of 5 requests in flight"):
        two_looks(3, "silent", 0)


def test_a_worker_whose_hello_was_lost_joins_with_its_first_pulse(stage: Stage) -> None:
    stage.runner.say("lab_pulse", "a", pulse())
    assert [worker.label for worker in stage.fleet.living] == ["worker a (pid 4242)"]


def test_fields_of_a_request_are_checked() -> None:
    assert number_field({"n": 3}, "n", 0.0, 5.0) == 3.0
    for value in (None, True, "3", float("nan"), [3]):
        with pytest.raises(Refusal, match=r"n: got .*, expected a number from 0 to 5"):
            number_field({"n": value}, "n", 0.0, 5.0)
    with pytest.raises(Refusal, match=r"n: got 7, expected 0 to 5"):
        number_field({"n": 7}, "n", 0.0, 5.0)
    for text in ("", "x" * 201, 3, None):
        with pytest.raises(Refusal, match="id: got"):
            text_field({"id": text}, "id")


def pulse(**changes: Any) -> dict[str, Any]:
    counts = {"users": 1, "in_flight": 0, "ended": 0, "failed": 0}
    quantiles = {"latencies": {"i": b"", "n": b""}, "lags": {"i": b"", "n": b""}}
    health = {"health": IDLE_HEALTH, "throttled_total_s": None, "totals": NO_TOTALS}
    return {"pid": 4242, "name": "a", "span_s": 0.25, **counts, **quantiles, **health, **changes}
