"""An answer of geventhttpclient that knows when it arrived, and is asked for only when it is there.

The client asks for the answer right after the send, when it cannot be there: a system call and an exception for
nothing, in the very stretch in which users send one after another. Here it waits first and asks then.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


def timed_answer(answer: Any, arrived_s: Callable[[], float], plain: Collection[type]) -> type[Any]:
    """A class to stand in for HTTPSocketPoolResponse.

    ``lab_end_s``: when its newest part arrived, which ``arrived_s`` tells right after the read, before anything is made
    of that. plain: classes of sockets that a poll tells all of; TLS keeps data where no poll sees it.
    """
    feed, read_headers = answer.feed, answer._read_headers

    class TimedAnswer(answer):  # type: ignore[misc]
        """What a request waits for."""

        def feed(self, data: bytes) -> None:
            self.lab_end_s = arrived_s()
            feed(self, data)

        def _read_headers(self, pre_buffered: bytes = b"") -> None:
            sock = self._sock
            if not pre_buffered and sock.__class__ in plain:
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
