"""When a request arrived: the kernel's own stamp of its last part, and not when the loop found it.

Linux tells it beside the bytes of a read (SO_TIMESTAMPNS, socket(7)), on the wall clock. A loop that slept is woken
late, in a virtual machine by milliseconds; a client's request was there all the same.

The recorder (``locustfiles/_arrived.py``) has code of its own for the same: what it is measured by shares none with it.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

SO_TIMESTAMPNS = 35
"""Of Linux, where option and message have one number; Python has no name for it yet."""
_STAMP = struct.Struct("@qq")
ROOM = socket.CMSG_SPACE(_STAMP.size)
"""How much room a stamp takes beside the bytes of a read."""
STEP_NS = 1_000_000
"""Clocks that part by more between two reads: the wall clock was set, and stamps from before say nothing."""


def ask_for_stamps(sock: socket.socket) -> None:
    """What arrives on this socket, or on those that it accepts, is stamped; where nothing is, reads are timed."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class ArrivalClock:
    """Turns stamps into nanoseconds of the monotonic clock."""

    def __init__(self, clock_ns: Callable[[], int], unix_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._unix_ns = unix_ns
        self._set_ns = unix_ns()
        self._apart_ns = self._set_ns - clock_ns()

    def arrived_ns(self, ancillary: list[tuple[int, int, bytes]]) -> int:
        """When the last part of what has just been read arrived, by what came beside it; now, where nothing tells."""
        unix_ns, now_ns = self._unix_ns(), self._clock_ns()
        apart_ns = unix_ns - now_ns
        if abs(apart_ns - self._apart_ns) > STEP_NS:
            self._set_ns = unix_ns
        self._apart_ns = apart_ns
        for level, kind, stamp in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                whole_s, rest_ns = _STAMP.unpack(stamp)
                stamped_ns = whole_s * 1_000_000_000 + rest_ns
                if self._set_ns <= stamped_ns <= unix_ns:
                    return int(now_ns - (unix_ns - stamped_ns))
        return now_ns
