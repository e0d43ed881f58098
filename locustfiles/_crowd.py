"""The users of one process that carry the arrivals of an open load out, each in a greenlet of its own.

A user does one arrival after another and waits in between, as the users of a closed load do. A greenlet for each
arrival would cost more: CPython 3.11 maps and unmaps memory for the frames of every new one.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import gevent
from _connections import close_connections
from _roster import Roster
from gevent.hub import Waiter
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, DefaultTaskSet

logger = logging.getLogger(__name__)

Serve = Callable[["Carrier", float], bool]
"""Do one arrival, with its draw; False when the user shall get no further one."""


def report(user: Any, error: Exception) -> None:
    """What Locust does for a task that raises."""
    user.environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
    logger.error("%s\n%s", error, traceback.format_exc())


class Carrier:
    """One user and its greenlet, which waits for arrivals."""

    __slots__ = ("_begin", "_serve", "_waiter", "crowd", "greenlet", "has_begun", "key", "user")

    def __init__(self, crowd: Crowd, user: Any, key: tuple[Any, int], serve: Serve) -> None:
        self.crowd = crowd
        self.user = user
        self.key = key
        """Its class, and the number of the host that it asks."""
        self.has_begun = False
        """Whether its on_start came through."""
        self._serve = serve
        self._waiter = Waiter()
        self._begin = self._waiter.hub.loop.run_callback
        self.greenlet = gevent.spawn(self._carry)

    def carry(self, draw: float) -> None:
        """Begin an arrival as soon as the loop comes to it. Only right for one that is idle."""
        self.crowd.in_flight.add(self)
        self._begin(self._waiter.switch, draw)

    def _carry(self) -> None:
        waiter, serve, stays = self._waiter, self._serve, True
        while stays:
            draw = waiter.get()
            waiter.clear()
            stays = serve(self, draw)


class Crowd:
    """All carriers of one process; idle ones by class and host, last used first."""

    def __init__(self, environment: Any, roster: Roster, serve: Serve) -> None:
        self._environment = environment
        self._roster = roster
        self._serve = serve
        self._idle: dict[tuple[Any, int], list[Carrier]] = {}
        self._all: set[Carrier] = set()
        self.in_flight: set[Carrier] = set()
        """Those that have an arrival."""

    def take(self, kind: Any, host: int) -> Carrier:
        """One with an idle user of this class for this host, or with a new one."""
        idle = self._idle.setdefault((kind, host), [])
        return idle.pop() if idle else self._hire(kind, host)

    def give_back(self, carrier: Carrier) -> None:
        """Its arrival is over, and it can have another."""
        self.in_flight.discard(carrier)
        self._idle[carrier.key].append(carrier)

    def dismiss(self, carrier: Carrier) -> None:
        """Its user shall do nothing more."""
        self.in_flight.discard(carrier)
        self._all.discard(carrier)
        user = carrier.user
        try:
            if carrier.has_begun:
                user.on_stop()
        except Exception as error:  # noqa: BLE001 - the others shall be ended too
            report(user, error)
        finally:
            close_connections(user)

    def tell_to_stop(self) -> None:
        """Each that has an arrival ends with it, and those that wait inside a task are woken."""
        for carrier in self._all:
            if carrier.user._state != LOCUST_STATE_STOPPING:
                carrier.user.stop()

    def dissolve(self) -> None:
        """End all of them, now."""
        gevent.killall([carrier.greenlet for carrier in self._all])
        for carrier in list(self._all):
            self.dismiss(carrier)
        self._idle.clear()

    def _hire(self, kind: Any, host: int) -> Carrier:
        with self._roster.placed_at(host):
            user = kind(self._environment)
        user._state, user._taskset_instance = LOCUST_STATE_RUNNING, DefaultTaskSet(user)
        carrier = Carrier(self, user, (kind, host), self._serve)
        self._all.add(carrier)
        return carrier
