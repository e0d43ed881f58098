"""Waits between tasks: recorded, and ended without cutting the request that a user may just begin.

Locust kills a user that waits. The kill arrives a moment later, and a user whose wait ends in that moment is killed
in the middle of its next request, which the service may have seen or not. Here the user is woken and told to stop,
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
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING


class Waits:
    """The waits of one process. ``lab_think_s`` of a user, where it has one, replaces what its wait_time says."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def wait(self, user: Any, pause_s: float) -> None:
        """Wait so long (above 0), or until the user is told to stop; its next request is due when this is over."""
        recorder, me = self._recorder, getcurrent()
        start_s = recorder.clock()
        wake = user.lab_wake = Event()
        recorder.thinking[me] = start_s
        recorder.due[me] = start_s + pause_s
        try:
            wake.wait(pause_s)
        finally:
            del recorder.thinking[me]
            recorder.thinks.extend((start_s, recorder.clock()))

    def pause(self, user: Any, pause_s: float) -> None:
        """What ``user.wait()`` does, for a time of the caller's choice; StopUser when the user shall stop."""
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        user._state = LOCUST_STATE_WAITING
        if pause_s > 0:
            self.wait(user, pause_s)
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        user._state = LOCUST_STATE_RUNNING

    def forget(self, greenlet: Any) -> None:
        """A user has ended: nothing is due any more."""
        self._recorder.due.pop(greenlet, None)

    def between_tasks(self) -> Callable[[Any, float], None]:
        """Stands in for TaskSet._sleep."""
        clock, due, chore = self._recorder.clock, self._recorder.due, self._recorder.chores.extend

        def sleep_awake(task_set: Any, pause_s: float) -> None:
            user = task_set._user
            if user.lab_think_s is not None:
                pause_s = user.lab_think_s
            if pause_s > 0:
                self.wait(user, pause_s)
                return
            start_s = due[getcurrent()] = clock()
            gevent.sleep(0)
            chore((start_s, clock()))

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
