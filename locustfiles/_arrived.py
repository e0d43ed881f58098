"""When the newest part of an answer arrived: the kernel's own stamp, and not when Python came to read it.

Linux notes of every packet when it received it and, asked to (SO_TIMESTAMPNS, socket(7)), tells of the last one that a
read took its bytes from; for TCP since 4.16. A generator that is at work for another user, kept off its processor or
halted reads an answer late, but it arrived when it did. Where no stamp comes (TLS, other systems), the time of the
read stands.

The stamp is on the wall clock, the recorder on a monotonic one. Between arrival and read both run alike but for a step
of the wall clock: what may have arrived before a step is not taken from its stamp. A packet that overtook a lost one
waits for it with a stamp that is too early: from a connection on which that happened the time of the read stands.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import AF_INET, CMSG_SPACE, IPPROTO_TCP, SOCK_DGRAM, SOL_SOCKET, TCP_INFO, socket
from typing import Any

from gevent.socket import socket as PlainSocket  # type: ignore[attr-defined]  # its stubs leave it out

SO_TIMESTAMPNS = 35
"""Of Linux, where option and message have one number; Python has no name for it yet."""
_STAMP = struct.Struct("@qq")
_ROOM = CMSG_SPACE(_STAMP.size)
STEP_S = 0.001
"""Clocks that part by more between two reads: the wall clock was set. Slewing moves both alike."""
LOOPBACK = ("127.", "::1", "::ffff:127.")
_OUT_OF_ORDER = slice(224, 228)
"""Of struct tcp_info: tcpi_rcv_ooopack."""

Ancillary = Iterable[tuple[int, int, bytes]]


class ArrivalStamps:
    """The newest read of this process. clock: monotonic seconds; unix_ns: the wall clock that the kernel stamps by."""

    def __init__(self, clock: Callable[[], float], unix_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._unix_ns = unix_ns
        self._set_ns = unix_ns()
        """Since when the wall clock is known to run without a step."""
        self._apart_s = self._set_ns / 1e9 - clock()
        self._newest_s: float | None = None
        self.was_stamped = False
        """Whether what ``take_s`` told last is a stamp, and not the time of a read."""

    def note(self, ancillary: Ancillary) -> None:
        """A read has just returned with this beside its bytes."""
        unix_ns, now_s = self._unix_ns(), self._clock()
        apart_s = unix_ns / 1e9 - now_s
        if abs(apart_s - self._apart_s) > STEP_S:
            self._set_ns = unix_ns
        self._apart_s = apart_s
        self._newest_s, self.was_stamped = now_s, False
        for level, kind, stamp in ancillary:
            if kind == SO_TIMESTAMPNS and level == SOL_SOCKET:
                whole_s, rest_ns = _STAMP.unpack(stamp)
                arrived_ns = whole_s * 1_000_000_000 + rest_ns
                if self._set_ns <= arrived_ns <= unix_ns:
                    self._newest_s, self.was_stamped = now_s - (unix_ns - arrived_ns) / 1e9, True

    def take_s(self) -> float:
        """When the part that was just read arrived; now, where its socket does not note it. To be asked right after."""
        newest_s, self._newest_s = self._newest_s, None
        if newest_s is None:
            self.was_stamped = False
            return self._clock()
        return newest_s


def keep_stamping() -> socket | None:
    """A socket that keeps the kernel at it while it is open, None where it stamps nothing.

    The kernel stamps only while some socket asks for it, and begins a little later, now and then some seconds. Between
    two loads there may be no other.
    """
    keeper = socket(AF_INET, SOCK_DGRAM)
    if sys.platform == "linux":
        with suppress(OSError):
            keeper.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)
            return keeper
    keeper.close()
    return None


def came_out_of_order(sock: Any) -> bool:
    """Whether any packet of this connection ever did, or nobody can tell (before Linux 5.4).

    The later packets of a gap that a lost one left have their stamps already when it is filled.
    """
    info: bytes = sock.getsockopt(IPPROTO_TCP, TCP_INFO, _OUT_OF_ORDER.stop)
    return any(info[_OUT_OF_ORDER]) or len(info) < _OUT_OF_ORDER.stop


def stamped_sockets(stamps: ArrivalStamps) -> tuple[type[Any], type[Any]]:
    """The classes that a plain socket of gevent becomes (``stamp``) near, on this machine's loopback, and far.

    Where packets get lost, the stamps of a connection count until one came out of order.
    """
    return _stamped_socket(stamps, is_near=True), _stamped_socket(stamps, is_near=False)


def _stamped_socket(stamps: ArrivalStamps, *, is_near: bool) -> type[Any]:
    class StampedSocket(PlainSocket):  # type: ignore[misc]
        """Of the same layout, so that a socket can become one."""

        __slots__ = ()

        def recv(self, size: int, flags: int = 0) -> bytes:
            data: bytes
            data, ancillary, _, _ = self.recvmsg(size, _ROOM, flags)
            stamps.note(ancillary if is_near or not came_out_of_order(self) else ())
            return data

    return StampedSocket


def stamp(sock: Any, near: type[Any], far: type[Any]) -> Any:
    """Ask the kernel for stamps, and note them from now on; another kind of socket, or of system, stays as it is."""
    if sock.__class__ is PlainSocket and sys.platform == "linux":
        with suppress(OSError):
            is_near = sock.getpeername()[0].startswith(LOOPBACK)
            sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.__class__ = near if is_near else far
    return sock
