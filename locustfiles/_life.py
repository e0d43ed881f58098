"""How every user begins, waits and ends, also one whose locustfile knows nothing of the lab.

* It begins after a seeded random phase, uniform in [0, --phase-s); users that start at once would stay in step.
* Between tasks it waits --think-s. A class (or a TaskSet of it) with a ``wait_time`` of its own keeps that as long
  as --think-s is 0, and is then named in ``own_waits`` of every window; --think-s above 0 replaces it.
* When it has ended its connections are closed: a server would keep them, and count them, until its keep-alive ran
  out. Clients that a class shares between its users stay open.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _graceful import Waits
from _roster import Roster, randomness
from gevent import getcurrent
from locust import TaskSet, User
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

_LOCUSTS_OWN = (User.wait_time, TaskSet.wait_time)


def has_own_wait(kind: Any) -> bool:
    """Whether a User class, or a TaskSet that it may run, says itself how long it waits."""
    if kind.wait_time not in _LOCUSTS_OWN:
        return True
    return any(has_own_wait(task) for task in kind.tasks if isinstance(task, type) and issubclass(task, TaskSet))


def close_connections(user: Any) -> None:
    """Close what belongs to this user alone."""
    client = getattr(user, "client", None)
    if isinstance(client, FastHttpSession) and getattr(user, "client_pool", None) is None:
        client.client.close()
    elif isinstance(client, HttpSession) and getattr(user, "pool_manager", None) is None:
        client.close()


class Life:
    """Wraps User.run."""

    def __init__(self, waits: Waits, roster: Roster) -> None:
        self._waits = waits
        self._roster = roster

    def lived(self, run: Callable[[Any], None]) -> Callable[[Any], None]:
        """Phase before, an end after."""

        def living(user: Any) -> None:
            self._settle_wait(user)
            try:
                if self._came_through_its_phase(user):
                    run(user)
            finally:
                self._waits.forget(getcurrent())
                close_connections(user)

        return living

    def _settle_wait(self, user: Any) -> None:
        think_s = float(user.environment.parsed_options.think_s)
        if think_s > 0 or not has_own_wait(type(user)):
            user.lab_think_s = think_s
        else:
            self._roster.own_waits.add(type(user).__name__)

    def _came_through_its_phase(self, user: Any) -> bool:
        phase_s = float(user.environment.parsed_options.phase_s)
        if not phase_s:
            return True
        user._state = LOCUST_STATE_WAITING
        self._waits.wait(user, randomness(user, "/phase").uniform(0.0, phase_s))
        return bool(user._state != LOCUST_STATE_STOPPING)
