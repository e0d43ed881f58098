"""Stopping a user that waits between two tasks without cutting the request that it may just begin.

Locust kills such a user. The kill arrives a moment later, and a user whose wait ends in that moment is killed in
the middle of its next request, which the service may have seen or not. Here the user is woken and told to stop,
and leaves by itself.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from _recorder import Recorder
from gevent import getcurrent
from gevent.event import Event
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING


def recorded_sleep(recorder: Recorder) -> Callable[[Any, float], None]:
    """Stands in for TaskSet._sleep: a sleep that is recorded and that ends when the user is told to stop."""
    thinking, clock = recorder.thinking, recorder.clock
    think, give_way = recorder.thinks.extend, recorder.yields.extend

    def sleep_awake(task_set: Any, pause_s: float) -> None:
        start_s = clock()
        if pause_s <= 0:
            gevent.sleep(pause_s)
            give_way((start_s, clock()))
            return
        me = getcurrent()
        wake = task_set.user.lab_wake = Event()
        thinking[me] = start_s
        try:
            wake.wait(pause_s)
        finally:
            del thinking[me]
            think((start_s, clock()))

    return sleep_awake


def wake_to_stop(stop: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap User.stop: a waiting user that is not forced to stop is woken instead of killed."""

    def stopping(user: Any, force: bool = False) -> Any:
        if force or user._state != LOCUST_STATE_WAITING:
            return stop(user, force)
        user._state = LOCUST_STATE_STOPPING
        wake = getattr(user, "lab_wake", None)
        if wake is not None:
            wake.set()
        return False

    return stopping
