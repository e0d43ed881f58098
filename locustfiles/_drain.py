"""Stopping a swarm fast without cutting a request.

Locust's own stop of a master takes a second at least (it looks once a second whether users are left) and its workers
then stay away for the whole --stop-timeout. Both fall away when the users are ramped down to zero first, which
waits for requests in flight as a stop does, and when a worker that has stopped forgets the time-out.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from time import perf_counter
from typing import Any

import gevent
from _fleet import Fleet
from locust.runners import STATE_INIT, STATE_STOPPED, STATE_STOPPING, MasterRunner

POLL_S = 0.01
RATE_PER_USER = 10
LONGEST_ANSWER_S = 150.0


def forget_stop_timeout(environment: Any, **_: Any) -> None:
    """On a worker's test_stop: it drained already, so do not sleep the time-out before reporting ready again.

    The next order to spawn brings the time-out along once more.
    """
    environment.stop_timeout = 0.0


class Drain:
    """Ramps the users down to zero, waits for their requests and stops the test; one at a time."""

    def __init__(self, runner: Any, fleet: Fleet) -> None:
        self._runner = runner
        self._fleet = fleet
        self._greenlet: gevent.Greenlet | None = None
        self._gives_up = False

    @property
    def running(self) -> bool:
        """Whether users are being drained."""
        return self._greenlet is not None and not self._greenlet.ready()

    def start(self) -> None:
        """Begin, unless it runs already."""
        if not self.running:
            self._gives_up = False
            self._greenlet = gevent.spawn(self._run)

    def give_up(self) -> None:
        """Have what is in flight given up until the drain that runs is over, for nobody will answer it.

        It lasts, because the order to send no more may still be on its way to the workers.
        """
        self._gives_up = self.running

    def _is_busy(self) -> bool:
        if self._runner.user_count and not self._gives_up:
            return True
        answers = self._fleet.ask("abandon" if self._gives_up else "books").values()
        left = any(answer["users"] or answer["books"]["in_flight"] for answer in answers)
        return left or bool(self._runner.user_count)

    def _end_ramps(self) -> None:
        """End what raises users: it would go on beside the drain, and declare the test running when that is over."""
        for owner, name in ((self._runner.environment.web_ui, "_swarm_greenlet"), (self._runner, "shape_greenlet")):
            ramp = getattr(owner, name, None)
            if ramp is not None:
                ramp.kill(block=True)
                setattr(owner, name, None)

    def _run(self) -> None:
        """Without cutting a request; the --stop-timeout that was given, 0 otherwise, holds for whoever stops later."""
        environment = self._runner.environment
        given_s = float(environment.stop_timeout or 0.0)
        environment.stop_timeout = max(LONGEST_ANSWER_S, given_s)
        try:
            self._end_ramps()
            self._drain()
        finally:
            environment.stop_timeout = given_s

    def _drain(self) -> None:
        if not isinstance(self._runner, MasterRunner):
            stop = gevent.spawn(self._runner.stop)
            while not stop.ready():
                if self._gives_up:
                    self._fleet.ask("abandon")
                gevent.sleep(POLL_S)
            return
        if self._runner.state in (STATE_INIT, STATE_STOPPED):
            return
        workers = self._runner.worker_count
        deadline_s = perf_counter() + self._runner.environment.stop_timeout
        ramp = gevent.spawn(self._runner.start, 0, max(1, int(self._runner.user_count)) * RATE_PER_USER)
        while self._is_busy() and perf_counter() < deadline_s:
            gevent.sleep(POLL_S)
        ramp.join()  # it declares the test running when it ends, so it has to end before the stop
        self._runner.stop()
        while len(self._runner.clients.ready) < min(workers, len(self._fleet.living)) and perf_counter() < deadline_s:
            gevent.sleep(POLL_S)
        if self._runner.state == STATE_STOPPING:  # a lost worker keeps Locust there for a minute
            self._runner.update_state(STATE_STOPPED)
