"""Open arrivals in one process with Locust's own classes: who carries them out, what is dropped, how it ends.

Locust patches the standard library when it is imported, so ``test_locust_open.py`` runs this in a process of its own.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import numpy as np
import pytest
from _arrival_tally import DROPPED, STARTED
from _arrivals import Arrivals, deal_starts, perform
from _graceful import wake_to_stop
from _recorder import Recorder
from _roster import Roster
from gevent import getcurrent
from gevent.event import Event
from locust import SequentialTaskSet, TaskSet, User, task
from locust.env import Environment
from locust.exception import StopUser

PATIENCE_S = 30.0


def until(met: Callable[[], object], what: str) -> None:
    with gevent.Timeout(PATIENCE_S, AssertionError(f"waited {PATIENCE_S:g} s for {what}")):
        while not met():
            gevent.sleep(0.001)


class Visitor(User):
    """Notes what is done to it; its task waits for the gate."""

    gate = Event()
    made: list[Visitor] = []  # noqa: RUF012 - Locust's classes are configured by attributes
    done: list[Visitor] = []  # noqa: RUF012
    stopped: list[Visitor] = []  # noqa: RUF012
    fails = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        Visitor.made.append(self)

    def on_start(self) -> None:
        assert self not in self.done

    def on_stop(self) -> None:
        Visitor.stopped.append(self)

    @task
    def visit(self) -> None:
        self.gate.wait()
        Visitor.done.append(self)
        if self.fails:
            raise StopUser


def _environment(**options: Any) -> Any:
    return Environment(**options)


class Stage:
    """One process with an open load of Visitors."""

    def __init__(self, **options: Any) -> None:
        self.recorder, self.roster = Recorder(), Roster()
        self.arrivals = Arrivals(self.recorder, self.roster)
        self.environment: Any = _environment(user_classes=[Visitor], host="http://one")
        defaults = {"rate_rps": 2000.0, "arrivals": "constant", "lab_seed": 1, "in_flight_max": 5}
        self.environment.parsed_options = SimpleNamespace(**defaults | options)
        self.environment.runner = SimpleNamespace(client_id="worker", worker_index=0)
        self.roster.begin(self.environment)
        self.arrivals.begin(self.environment)
        self.leader = SimpleNamespace(environment=self.environment, _state=None)
        self.greenlet = gevent.spawn(self.arrivals.lead, self.leader)

    @property
    def fates(self) -> list[float]:
        return self.recorder.arrivals[1::2]

    def stop(self) -> None:
        if self.greenlet.dead:
            return
        wake_to_stop(lambda *_: False)(self.leader)
        self.greenlet.join(PATIENCE_S)
        assert self.greenlet.dead


@pytest.fixture(autouse=True)
def visitors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(User, "lab_number", 0, raising=False)
    for name, value in (("gate", Event()), ("made", []), ("done", []), ("stopped", []), ("fails", False)):
        monkeypatch.setattr(Visitor, name, value)
    yield
    Visitor.gate.set()


@pytest.fixture
def play() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def start(**options: Any) -> Stage:
        stages.append(Stage(**options))
        return stages[-1]

    yield start
    Visitor.gate.set()
    for stage in stages:
        stage.stop()


def test_arrivals_beyond_the_cap_are_dropped_and_counted_and_the_rest_goes_on(play: Callable[..., Stage]) -> None:
    """Nobody answers: five are begun, every later one is dropped, and once the gate opens arrivals begin again."""
    stage = play()
    until(lambda: len(stage.fates) >= 40, "arrivals")
    assert stage.fates == [STARTED] * 5 + [DROPPED] * (len(stage.fates) - 5)
    assert len(Visitor.made) == 5
    Visitor.gate.set()
    until(lambda: stage.fates.count(STARTED) > 50, "more arrivals")
    assert len(Visitor.made) == 5, "users are used again"


def test_each_arrival_is_noted_at_its_planned_time_in_order(play: Callable[..., Stage]) -> None:
    Visitor.gate.set()
    stage = play(in_flight_max=100)
    until(lambda: len(stage.fates) >= 100, "arrivals")
    due_s = np.array(stage.recorder.arrivals[::2])
    assert np.diff(due_s) == pytest.approx(np.full(len(due_s) - 1, 1 / 2000.0))
    assert due_s[0] > stage.recorder.cut_s
    assert stage.recorder.ledger is not None
    assert stage.recorder.ledger.due_before(due_s[-1] + 1e-9).tolist() == pytest.approx(due_s.tolist())


def test_an_end_waits_for_what_is_in_flight_and_closes_every_user(play: Callable[..., Stage]) -> None:
    stage = play(in_flight_max=3)
    until(lambda: len(stage.fates) >= 10, "arrivals")
    stopping = gevent.spawn(stage.stop)
    gevent.sleep(0.01)
    assert not stopping.ready()
    begun = stage.fates.count(STARTED)
    Visitor.gate.set()
    stopping.get()
    assert len(Visitor.done) == begun == stage.fates.count(STARTED)
    assert sorted(map(id, Visitor.stopped)) == sorted(map(id, Visitor.made))
    assert not stage.recorder.due


def test_a_user_that_stops_itself_is_replaced(play: Callable[..., Stage]) -> None:
    Visitor.gate.set()
    Visitor.fails = True
    stage = play(in_flight_max=1_000_000)
    until(lambda: len(Visitor.done) >= 20, "visits")
    assert len(Visitor.made) == len(set(Visitor.made)) >= 20
    assert len(Visitor.done) == len(set(Visitor.done)), "nobody came twice"
    assert DROPPED not in stage.fates


def test_a_user_that_cannot_start_is_let_go_and_the_load_goes_on(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other user fails in on_start: it does no task, on_stop is not called, the next arrival gets another."""

    def fail(user: Visitor) -> None:
        if len(Visitor.made) % 2:
            raise RuntimeError("no login")

    monkeypatch.setattr(Visitor, "on_start", fail)
    Visitor.gate.set()
    stage = play(in_flight_max=1)
    until(lambda: len(Visitor.done) >= 20, "visits")
    assert len(Visitor.made) == 2
    assert set(Visitor.done) == {Visitor.made[1]}
    stage.stop()
    assert Visitor.stopped == [Visitor.made[1]]


def test_a_closed_load_and_a_worker_that_joined_late_send_nothing() -> None:
    closed = Stage(rate_rps=0.0)
    assert not closed.arrivals.active
    assert closed.recorder.ledger is None
    late = Stage(lab_starts_s={"another": 0.0})
    assert late.arrivals.active
    assert late.recorder.ledger is None
    gevent.sleep(0.02)
    assert late.fates == closed.fates == []
    closed.stop()
    late.stop()


def test_the_master_deals_one_start_on_each_workers_clock() -> None:
    environment: Any = Environment(user_classes=[Visitor])
    environment.parsed_options = SimpleNamespace()
    deal_starts(environment, {"a": 0.0, "b": 100.25}, 50.0)
    starts_s = environment.parsed_options.lab_starts_s
    assert starts_s["b"] - starts_s["a"] == 100.25
    assert starts_s["a"] > 50.0
    assert environment.parsed_options.lab_classes == [["Visitor", 1]]


def test_a_nested_task_set_does_one_of_its_tasks_and_a_sequence_all_of_them() -> None:
    heard: list[str] = []

    class Steps(SequentialTaskSet):
        @task
        def first(self) -> None:
            heard.append("first")

        @task
        def second(self) -> None:
            heard.append("second")

    class Nest(TaskSet):
        tasks = [lambda _: heard.append("low"), lambda _: heard.append("high"), Steps]  # noqa: RUF012

        def on_start(self) -> None:
            heard.append("in")

        def on_stop(self) -> None:
            heard.append("out")

    user = Visitor(Environment(user_classes=[Visitor]))
    for draw in (0.1, 0.5, 0.9):
        perform(user, Nest, draw)
    assert heard == ["in", "low", "out", "in", "high", "out", "in", "first", "second", "out"]


def test_a_user_keeps_its_greenlet_from_one_arrival_to_the_next(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    homes: dict[Visitor, set[Any]] = {}
    monkeypatch.setattr(Visitor, "visit", lambda user: homes.setdefault(user, set()).add(getcurrent()))
    monkeypatch.setattr(Visitor, "tasks", [Visitor.visit])
    stage = play(in_flight_max=3)
    until(lambda: stage.fates.count(STARTED) >= 50, "arrivals")
    stage.stop()
    assert {len(greenlets) for greenlets in homes.values()} == {1}
    assert len({greenlet for greenlets in homes.values() for greenlet in greenlets}) == len(homes)
    assert all(greenlet.dead for greenlets in homes.values() for greenlet in greenlets)


def test_a_leader_that_is_killed_takes_every_arrival_with_it(play: Callable[..., Stage]) -> None:
    """Three are under way, and nobody answers: they end undone, their users once and for all."""
    stage = play(in_flight_max=3)
    until(lambda: len(stage.fates) >= 10, "arrivals")
    stage.greenlet.kill(timeout=PATIENCE_S)
    assert stage.greenlet.dead
    assert len(Visitor.made) == 3
    assert sorted(map(id, Visitor.stopped)) == sorted(map(id, Visitor.made))
    Visitor.gate.set()
    gevent.sleep(0.01)
    assert Visitor.done == []
    assert not stage.recorder.due


def test_an_arrival_that_outlives_its_swarm_stays_out_of_the_next_one(play: Callable[..., Stage]) -> None:
    """The load begins anew while a visit of the one before is under way: its user ends, and serves nobody else."""
    stage = play(in_flight_max=1)
    until(lambda: len(Visitor.made) == 1, "an arrival")
    stage.arrivals.begin(stage.environment)
    second = SimpleNamespace(environment=stage.environment, _state=None)
    leading = gevent.spawn(stage.arrivals.lead, second)
    until(lambda: len(Visitor.made) == 2, "an arrival of the second load")
    stopping = gevent.spawn(stage.stop)
    gevent.sleep(0.01)
    Visitor.gate.set()
    stopping.get()
    assert Visitor.stopped == [Visitor.made[0]]
    until(lambda: Visitor.done.count(Visitor.made[1]) > 5, "more arrivals of the second")
    assert Visitor.done.count(Visitor.made[0]) == 1
    wake_to_stop(lambda *_: False)(second)
    leading.join(PATIENCE_S)
    assert leading.dead
