"""Open arrivals: requests that come when they are due, whether or not earlier ones have been answered.

With --rate-rps above 0 one user of each process leads (`_life.py`): it runs no task, but hands each arrival of its
share of the schedule (`_schedule.py`) to a user at the arrival's instant, and waits for no answer. An arrival is one
task of the scenario, done by an idle user of a pool with its connection, or by a new user (`_crowd.py`). Its first
request is due at the planned instant, further ones when the task asks for them. An arrival for which the cap on
arrivals in flight leaves no place is dropped and counted.

    locust -f locustfiles/io_bound.py,locustfiles/shapes/open.py --host http://127.0.0.1:8000 --headless \
        --rate-rps 200 --arrivals poisson --lab-seed 7 --open-s 60
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import gevent
from _alarm import Alarm
from _arrival_tally import DROPPED, STARTED
from _crowd import Carrier, Crowd, report
from _recorder import Recorder
from _roster import Roster
from _schedule import START_LEAD_S, Ledger, Schedule, parse_pattern, share_of
from locust import SequentialTaskSet, TaskSet
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

BREATH = 64
"""A dispatcher that is behind lets others run after so many arrivals."""


def deal_starts(environment: Any, offsets_s: dict[str, float], now_s: float) -> None:
    """What the workers must agree on goes to them as options: the start on each one's clock, and the user classes."""
    options = environment.parsed_options
    options.lab_starts_s = {worker: now_s + START_LEAD_S + offset_s for worker, offset_s in offsets_s.items()}
    options.lab_classes = [[kind.__name__, kind.weight] for kind in environment.user_classes]


def perform(parent: Any, task: Any, draw: float) -> None:
    """Do one task of a user or task set: of a nested set one of its tasks, of a sequence all of them once."""
    if not (isinstance(task, type) and issubclass(task, TaskSet)):
        task(parent)
        return
    inner = task(parent)
    inner.on_start()
    try:
        if issubclass(task, SequentialTaskSet):
            for step in inner.tasks:
                perform(inner, step, draw)
        else:
            place = draw * len(inner.tasks)
            perform(inner, inner.tasks[int(place)], place % 1.0)
    finally:
        inner.on_stop()


class Arrivals:
    """The open load of one process, anew with each swarm; does nothing while the load is closed."""

    def __init__(self, recorder: Recorder, roster: Roster) -> None:
        self._recorder = recorder
        self._roster = roster
        self.active = False
        """Whether the load of this swarm is open."""
        self._leader: Any = None
        self._schedule: Schedule | None = None
        self._start_s = 0.0
        self._share = (0, 1)
        self._cap = 0
        self._kinds: list[Any] = []
        self._weights: list[float] = []

    def begin(self, environment: Any, **_: Any) -> None:
        """Listener of test_start on whoever makes load, after the roster's."""
        options, recorder = environment.parsed_options, self._recorder
        self._schedule = self._leader = recorder.ledger = None
        self.active = bool(options.rate_rps)
        start_s = self._start_of(environment)
        if not self.active or start_s is None:
            return
        self._start_s = start_s
        self._schedule = Schedule(
            rate_rps=options.rate_rps, pattern=parse_pattern(options.arrivals), seed=options.lab_seed % 2**64
        )
        self._share = self._roster.place
        self._cap = share_of(options.in_flight_max, *self._share)
        self._note_classes(environment)
        recorder.ledger = Ledger(self._schedule, *self._share, self._start_s)

    def lead(self, user: Any) -> None:
        """Let this user dispatch until it is told to stop, then until all is answered; a second one just waits."""
        alarm = user.lab_wake = Alarm()
        user._state = LOCUST_STATE_WAITING
        try:
            if self._leader is None and self._schedule is not None:
                self._leader = user
                self._dispatch(user, alarm)
            while user._state != LOCUST_STATE_STOPPING:
                alarm.wait_until(self._recorder.clock() + 3600.0)
        finally:
            alarm.close()

    def _start_of(self, environment: Any) -> float | None:
        """On this process's clock; None for a worker that joined later, of whose share others send nothing."""
        starts_s = getattr(environment.parsed_options, "lab_starts_s", None)
        if starts_s is None:
            return self._recorder.clock() + START_LEAD_S
        start_s: float | None = starts_s.get(environment.runner.client_id)
        return start_s

    def _note_classes(self, environment: Any) -> None:
        named = getattr(environment.parsed_options, "lab_classes", None)
        known = {kind.__name__: kind for kind in environment.user_classes}
        chosen = [(known[name], weight) for name, weight in named] if named else None
        pairs = chosen or [(kind, kind.weight) for kind in environment.user_classes]
        self._kinds = [kind for kind, _ in pairs]
        self._weights = list(accumulate(float(weight) for _, weight in pairs))

    def _dispatch(self, leader: Any, alarm: Alarm) -> None:
        recorder, clock = self._recorder, self._recorder.clock
        crowd = Crowd(leader.environment, self._roster, self._serve)
        try:
            for place, (number, due_s, first, second) in enumerate(self._mine()):
                while clock() < due_s and leader._state != LOCUST_STATE_STOPPING:
                    alarm.wait_until(due_s)
                if not place % BREATH:
                    gevent.sleep(0)
                if leader._state == LOCUST_STATE_STOPPING:
                    break
                if len(crowd.in_flight) >= self._cap:
                    recorder.arrivals.extend((due_s, DROPPED))
                    continue
                recorder.arrivals.extend((due_s, STARTED))
                self._start(crowd, number, due_s, (first, second))
            crowd.tell_to_stop()
            gevent.joinall([carrier.greenlet for carrier in crowd.in_flight])
        finally:
            crowd.dissolve()

    def _mine(self) -> Iterator[tuple[int, float, float, float]]:
        assert self._schedule is not None
        for share in self._schedule.share(*self._share):
            due_s = (self._start_s + share.due_s).tolist()
            for number, at_s, (first, second) in zip(share.numbers.tolist(), due_s, share.draws.tolist(), strict=True):
                yield number, at_s, first, second

    def _start(self, crowd: Crowd, number: int, due_s: float, draws: tuple[float, float]) -> None:
        kind = self._kinds[bisect_right(self._weights, draws[0] * self._weights[-1])]
        carrier = crowd.take(kind, number % self._roster.hosts)
        carrier.user.lab_arrival = number
        self._recorder.due[carrier.greenlet] = due_s
        carrier.carry(draws[1])

    def _serve(self, carrier: Carrier, draw: float) -> bool:
        user, stays = carrier.user, False
        try:
            if not carrier.has_begun:
                user.on_start()
                carrier.has_begun = True
            place = draw * len(user.tasks)
            perform(user, user.tasks[int(place)], place % 1.0)
            stays = True
        except (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
            stays = True
        except StopUser:
            pass
        except Exception as error:  # noqa: BLE001 - as Locust: a task that raises is logged and the load goes on
            stays = carrier.has_begun
            report(user, error)
        finally:
            stays = self._end(carrier, stays)
        return stays

    def _end(self, carrier: Carrier, stays: bool) -> bool:
        """The arrival is over; whether the user gets another. A task may end its own user: self.stop()."""
        self._recorder.due.pop(carrier.greenlet, None)
        stays = stays and carrier.user._state != LOCUST_STATE_STOPPING
        (carrier.crowd.give_back if stays else carrier.crowd.dismiss)(carrier)
        return stays
