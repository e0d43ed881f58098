"""An answer of geventhttpclient that knows when it arrived, and is asked for only when it is there.

The client asks for the answer right after the send, when it cannot be there: a system call and an exception for
nothing, in the very stretch in which users send one after another. Here it waits first and asks then.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.socket import socket as PlainSocket  # type: ignore[attr-defined]  # its stubs leave it out


def timed_answer(
    answer: Any,
    clock: Callable[[], float],
    arrived_s: Callable[[], float] | None = None,
    stamped: tuple[type, ...] = (),
) -> type[Any]:
    """A class to stand in for HTTPSocketPoolResponse.

    ``lab_end_s``: when its newest part arrived, told by ``arrived_s`` right after a read from one of the classes of
    sockets that are ``stamped``; from another one, when it was read. Nothing is made of that part before.
    """
    feed, read_headers, plain = answer.feed, answer._read_headers, (PlainSocket, *stamped)
    told_s = arrived_s or clock

    class TimedAnswer(answer):  # type: ignore[misc]
        """What a request waits for."""

        def feed(self, data: bytes) -> None:
            self.lab_end_s = told_s() if self._sock.__class__ in stamped else clock()
            feed(self, data)

        def _read_headers(self, pre_buffered: bytes = b"") -> None:
            sock = self._sock
            if not pre_buffered and sock.__class__ in plain:  # TLS keeps data where no poll sees it
                try:
                    sock._wait(sock._read_event)
                except BaseException:
                    self.release()
                    raise
            read_headers(self, pre_buffered)

    return TimedAnswer


def end_s(response: Any, reported_s: float) -> float:
    """When the last byte of a session's response arrived; what was not read to its end ends with its report.

    So does the answer of a client that does not say when it came.
    """
    answer = getattr(response, "_response", None)
    if answer is None or not answer.message_complete:
        return reported_s
    arrived_s: float = getattr(answer, "lab_end_s", reported_s)
    return arrived_s
