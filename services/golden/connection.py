"""One client's connection: bytes that came, bytes that are still to go, and how many answers it waits for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from golden.arrival import ROOM, ArrivalClock, ask_for_stamps
from golden.wire import BadRequest, Request, next_request

READ_BYTES = 65_536
MOST_WAITING = 64
"""Requests that a client may send ahead; further ones stay unread in the kernel until an answer has gone."""


class Connection:
    """``last_due_ns``: an answer never leaves before that of an earlier request, so none is due before it either."""

    __slots__ = (
        "_arrivals",
        "_buffer",
        "_out",
        "_sock",
        "arrived_ns",
        "begun_ns",
        "fd",
        "is_ending",
        "is_open",
        "last_due_ns",
        "waiting",
        "watched",
    )

    def __init__(self, sock: socket.socket, arrivals: ArrivalClock) -> None:
        sock.setblocking(False)
        ask_for_stamps(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._arrivals = arrivals
        self._buffer = b""
        self._out = b""
        self.fd = sock.fileno()
        self.is_open = True
        self.is_ending = False
        self.last_due_ns = 0
        self.waiting = 0
        self.arrived_ns = 0
        """When the newest of what was read arrived."""
        self.begun_ns = 0
        """When the request began that is not all there yet; 0 without one."""
        self.watched = 0
        """The events that epoll was asked for."""

    @property
    def wants_to_write(self) -> bool:
        """Whether the client has not taken all of its answers."""
        return bool(self._out)

    @property
    def wants_to_read(self) -> bool:
        """Whether another request would be taken up now."""
        return not (self.is_ending or self._out or self.waiting >= MOST_WAITING)

    def read(self) -> bool:
        """Take what has come; False when the client is gone."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(READ_BYTES, ROOM)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self.arrived_ns = self._arrivals.arrived_ns(ancillary)
        self.begun_ns = self.begun_ns or self.arrived_ns
        self._buffer = self._buffer + data if self._buffer else data
        return True

    def requests(self) -> Iterator[Request]:
        """The requests that are all there, as long as more are wanted.

        Raises:
            BadRequest: what follows is none; the connection cannot go on.
        """
        start = 0
        try:
            while start < len(self._buffer) and self.wants_to_read:
                request = next_request(self._buffer, start)
                if request is None:
                    break
                start = request.end
                yield request
        except BadRequest:
            start = len(self._buffer)
            raise
        finally:
            self._buffer = self._buffer[start:]
            if start:
                self.begun_ns = 0

    def send(self, answer: bytes) -> bool:
        """Hand an answer to the kernel, as much as it takes now; False when the client is gone."""
        if self._out:
            self._out += answer
            return True
        try:
            sent = self._sock.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent < len(answer):
            self._out = answer[sent:]
        return True

    def send_rest(self) -> bool:
        """Go on with what the client had not taken; False when it is gone."""
        rest, self._out = self._out, b""
        return self.send(rest)

    def close(self) -> None:
        """End it."""
        self.is_open = False
        self._sock.close()
