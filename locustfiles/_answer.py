"""An answer of geventhttpclient that knows when it was read, and is asked for only when it is there.

The client asks for the answer right after the send, when it cannot be there: a system call and an exception for
nothing, in the very stretch in which users send one after another. Here it waits first and asks then.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.socket import socket as PlainSocket  # type: ignore[attr-defined]  # its stubs leave it out


def timed_answer(answer: Any, clock: Callable[[], float]) -> type[Any]:
    """A class to stand in for HTTPSocketPoolResponse.

    ``lab_read_s``: when the kernel handed over its newest part, before anything is made of that.
    """
    feed, read_headers = answer.feed, answer._read_headers

    class TimedAnswer(answer):  # type: ignore[misc]
        """What a request waits for."""

        def feed(self, data: bytes) -> None:
            self.lab_read_s = clock()
            feed(self, data)

        def _read_headers(self, pre_buffered: bytes = b"") -> None:
            sock = self._sock
            if not pre_buffered and sock.__class__ is PlainSocket:  # TLS keeps data where no poll sees it
                try:
                    sock._wait(sock._read_event)
                except BaseException:
                    self.release()
                    raise
            read_headers(self, pre_buffered)

    return TimedAnswer


def end_s(response: Any, reported_s: float) -> float:
    """When the last byte of a session's response was read; what was not read to its end ends with its report.

    So does the answer of a client that does not say when it read.
    """
    answer = getattr(response, "_response", None)
    if answer is None or not answer.message_complete:
        return reported_s
    read_s: float = getattr(answer, "lab_read_s", reported_s)
    return read_s
