"""An answer of geventhttpclient that knows when it arrived, and is asked for only when it is there.

The client asks for the answer right after the send, when it cannot be there: a system call and an exception for
nothing, in the very stretch in which users send one after another. Here it waits first and asks then.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _arrived import ArrivalStamps
from gevent.socket import socket as PlainSocket  # type: ignore[attr-defined]  # its stubs leave it out


def timed_answer(
    answer: Any,
    clock: Callable[[], float],
    stamps: ArrivalStamps | None = None,
    stamped: tuple[type, ...] = (),
) -> type[Any]:
    """A class to stand in for HTTPSocketPoolResponse.

    ``lab_end_s``: when its newest part arrived, told by ``stamps`` right after a read from one of the classes of
    sockets that are ``stamped``; from another one, when it was read. Nothing is made of that part before.
    ``lab_is_stamped``: whether that is the kernel's stamp.
    """
    feed, read_headers, plain = answer.feed, answer._read_headers, (PlainSocket, *stamped)

    class TimedAnswer(answer):  # type: ignore[misc]
        """What a request waits for."""

        def feed(self, data: bytes) -> None:
            if stamps is not None and self._sock.__class__ in stamped:
                self.lab_end_s, self.lab_is_stamped = stamps.take_s(), stamps.was_stamped
            else:
                self.lab_end_s, self.lab_is_stamped = clock(), False
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


def end_of(response: Any, reported_s: float) -> tuple[float, bool]:
    """When the last byte of a session's response arrived, and whether the kernel's stamp says so.

    What was not read to its end ends with its report, as does the answer of a client that does not say when it came.
    """
    answer = getattr(response, "_response", None)
    if answer is None or not answer.message_complete:
        return reported_s, False
    return getattr(answer, "lab_end_s", reported_s), getattr(answer, "lab_is_stamped", False)
