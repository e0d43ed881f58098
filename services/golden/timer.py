"""A timer of the kernel's highest resolution as a descriptor for epoll (timerfd_create(2)); Python 3.11 has none."""

from __future__ import annotations

import ctypes
import os
import time

_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_NS_PER_S = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """Becomes readable at a moment of CLOCK_MONOTONIC. Register it edge-triggered: it is never read."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._checked(self._libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC))
        self._spec = _TimerSpec()
        self._armed_ns = 0

    def arm(self, at_ns: int) -> None:
        """Fire then; an earlier order is forgotten."""
        if at_ns == self._armed_ns:
            return
        self._armed_ns = at_ns
        self._spec.value.seconds, self._spec.value.nanoseconds = divmod(at_ns, _NS_PER_S)
        self._checked(self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None))

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
