"""A bound on a whole call of urllib3, which by itself bounds only each step of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection

__all__ = ["DeadlineHTTPConnection", "deadline_in"]


class _Deadline(threading.local):
    """When the call of this thread has to be over, in seconds of the monotonic clock."""

    at_s: float | None = None


_deadline = _Deadline()


@contextmanager
def deadline_in(timeout_s: float) -> Iterator[None]:
    """Let every read of this thread from a `DeadlineHTTPConnection` time out `timeout_s` from now at the latest."""
    _deadline.at_s = time.monotonic() + timeout_s
    try:
        yield
    finally:
        _deadline.at_s = None


class _DeadlineSocket(socket.socket):
    """A socket whose reads, however many, end with the deadline of the thread that reads."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Wait for data until the deadline. Raises TimeoutError."""
        if _deadline.at_s is not None:
            left_s = _deadline.at_s - time.monotonic()
            if left_s <= 0.0:
                raise TimeoutError("the call took too long")
            self.settimeout(left_s)
        return super().recv_into(*args, **kwargs)


def _bounded(plain: socket.socket) -> socket.socket:
    timeout_s = plain.gettimeout()
    bounded = _DeadlineSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    bounded.settimeout(timeout_s)
    return bounded


class DeadlineHTTPConnection(HTTPConnection):
    """A connection that keeps the deadline over its whole answer (there is no such one for TLS)."""

    def _new_conn(self) -> socket.socket:
        return _bounded(super()._new_conn())
