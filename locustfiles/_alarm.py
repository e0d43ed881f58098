"""Waking a greenlet at an instant. gevent's own timers are up to a millisecond late; a timerfd of Linux is not."""

# mypy: allow-untyped-calls

from __future__ import annotations

import ctypes
import math
import os
from contextlib import suppress

import gevent
from gevent.hub import Waiter

CLOCK_MONOTONIC = 1
NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
ABSOLUTE = 1
READABLE = 1
_NANO = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("at", _Timespec))


class Alarm:
    """Wakes one greenlet; on the clock of ``time.perf_counter``, which on Linux is the kernel's CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.timerfd_create(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._by_reference = ctypes.byref(self._setting)
        self._waiter: Waiter | None = None
        self._watcher = gevent.get_hub().loop.io(self._descriptor, READABLE)
        self._watcher.start(self._fired)

    def wait_until(self, at_s: float) -> None:
        """Return at that instant, or before it when the alarm is rung."""
        at_ns = math.ceil(at_s * _NANO)
        self._setting.at.s, self._setting.at.ns = divmod(max(1, at_ns), _NANO)
        self._waiter = Waiter()
        self._libc.timerfd_settime(self._descriptor, ABSOLUTE, self._by_reference, None)
        try:
            self._waiter.get()
        finally:
            self._waiter = None

    def set(self) -> None:
        """Wake whoever waits, now; called like the Event that other waiting users are woken by."""
        if self._waiter is not None:
            gevent.get_hub().loop.run_callback(self._wake)

    def close(self) -> None:
        """Give the descriptor back."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._descriptor)

    def _fired(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, 8)
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch(None)
