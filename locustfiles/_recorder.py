"""Every request of this process: when it was due, when it was sent, when it ended, what came of it.

``watch_requests`` wraps methods of Locust's classes, so that any User class is recorded, also one that knows
nothing of this. The hot path only appends numbers; ``cut`` turns them into a slice for numpy.

A row keeps three times of ``time.perf_counter`` (monotonic):

* the intended start: in a closed loop the moment when its user was due, which is when the wait before it was to end
  (a phase, a think time; where there is none, when the last answer was read and its task was over); for a further
  request of one task, when the task asked for it. An arrival of an open loop puts its planned time into ``due``;
* the send: the bytes are ready and the generator has given way to whoever else was ready (``_transport.py``), so no
  work of its own is in the latency; a new connection belongs to the latency;
* the end: the last part of the answer arrived, by the kernel's stamp (``_arrived.py``), else it was read. What is not
  read to its end, and what another client than FastHttpUser's read, ends with its report.

The latency is the end less the send. What the generator does for a user before the send and after the end is in
``chores``, so that every moment of a user is a request, a wait or a chore. A user waits where Locust makes it wait
(``wait_time``, ``self.wait()``); a plain ``gevent.sleep`` inside a task counts as none of them.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from _answer import end_of
from _histogram import Floats
from _outcomes import FIRST_ERROR, FIRST_FAILURE, Outcomes
from _schedule import Ledger
from _tally import CODE, FAILED, OK, ROW_WIDTH, START, UNJUDGED, Slice
from _verdicts import NAN, Verdicts
from gevent import GreenletExit, getcurrent
from geventhttpclient.useragent import RetriesExceeded

UNSENT = float("inf")
"""Stands in ``in_flight`` for the send of a request that is being prepared; compared by identity."""


def _taken(buffer: list[float], width: int) -> Floats:
    """The numbers of a buffer, which is then empty."""
    numbers = np.array(buffer, dtype=np.float64).reshape(-1, width)
    buffer.clear()
    return numbers


class Recorder:
    """The requests and waits of one process."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self.rows: list[float] = []
        self.thinks: list[float] = []
        self.chores: list[float] = []
        self.lags: list[float] = []
        self.arrivals: list[float] = []
        self.reads: list[float] = []
        """Ends of answers that are no stamp of the kernel's, but when the answer was read or reported."""
        self.ledger: Ledger | None = None
        """What an open load plans for this process; None while the load is closed."""
        self.in_flight: dict[Any, float] = {}
        self.thinking: dict[Any, float] = {}
        self.due: dict[Any, float] = {}
        """Of a greenlet: when its next request is intended."""
        self.last_report: dict[str, Any] = {"response": None, "exception": None, "at_s": 0.0}
        """What Locust's request event said last, and when."""
        self.sent = 0
        self.answered = 0
        self.failed = 0
        self.redirected = 0
        self.codes: Counter[int] = Counter()
        self.cut_s = clock()
        self.outcomes = Outcomes()
        self.verdicts = Verdicts(self.rows, self.outcomes)
        self._reporting: set[Any] = set()
        self._followed: dict[Any, list[int]] = {}

    def watch_requests(self, request: Callable[..., Any], plain: Any = None) -> Callable[..., Any]:
        """Wrap the ``request`` method of an HTTP session class.

        plain: the class of response that a session returns when it has reported the request itself and the
        status is in ``_response`` (FastHttpSession); anything else takes the longer way.
        """
        in_flight, last, clock, append = self.in_flight, self.last_report, self.clock, self.rows.extend
        due, followed, chore, read = self.due, self._followed, self.chores.extend, self.reads.append

        def watched(session: Any, *args: Any, **kwargs: Any) -> Any:
            me = getcurrent()
            if me in in_flight:
                return self._nested(me, watched, (session, *args), kwargs)
            self.sent += 1
            in_flight[me] = UNSENT
            begun_s = clock()
            due_s = due.pop(me, begun_s)
            try:
                result: Any = request(session, *args, **kwargs)
            except BaseException as error:
                self._settle_error(me, (due_s, begun_s), error)
                raise
            if followed:
                self._count_followed(me, getattr(result, "error", None))
            if result.__class__ is not plain or last["response"] is not result:
                self._settle(me, (due_s, begun_s), result)
                return result
            send_s, answer = in_flight.pop(me), result._response
            send_s = begun_s if send_s is UNSENT else send_s
            if answer.message_complete and getattr(answer, "lab_is_stamped", False):
                end_s = max(send_s, answer.lab_end_s)
            else:
                read(end_s := max(send_s, end_of(result, last["at_s"])[0]))
            verdict = OK if last["exception"] is None else FAILED
            append((due_s, send_s, end_s, (end_s - send_s) * 1e3, answer.get_code(), verdict))
            chore((begun_s, send_s, end_s, clock()))
            return result

        return watched

    def send(self) -> None:
        """The request that this greenlet prepares goes out now; a resend or a followed redirect changes nothing."""
        me = getcurrent()
        if self.in_flight.get(me) is UNSENT:
            self.in_flight[me] = self.clock()

    def watch_events(self) -> Callable[..., None]:
        """A listener of Locust's request event; spelling its arguments out is faster."""
        last, clock = self.last_report, self.clock

        def note(
            request_type: Any = None,  # noqa: ARG001
            name: Any = None,  # noqa: ARG001
            response_time: Any = None,  # noqa: ARG001
            response_length: Any = None,  # noqa: ARG001
            response: Any = None,
            context: Any = None,  # noqa: ARG001
            exception: Any = None,
            start_time: Any = None,  # noqa: ARG001
            url: Any = None,  # noqa: ARG001
            **_: Any,
        ) -> None:
            last["response"], last["exception"], last["at_s"] = response, exception, clock()

        return note

    def watch_reports(self, report: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap ``_report_request`` of a response that its scenario judges (catch_response)."""
        reporting = self._reporting

        def watched(response: Any, *args: Any, **kwargs: Any) -> Any:
            me = getcurrent()
            self.verdicts.judge(response.request_meta)
            reporting.add(me)
            try:
                return report(response, *args, **kwargs)
            finally:
                reporting.discard(me)

        return watched

    def on_other_request(
        self, response_time: float, exception: BaseException | None = None, response: Any = None, **_: Any
    ) -> None:
        """Listener of Locust's request event for users whose client is not HTTP; known only when it is over."""
        me = getcurrent()
        if me in self.in_flight or me in self._reporting:
            return
        end_s = self.clock()
        start_s = max(end_s - response_time / 1e3, self.cut_s)
        code = getattr(response, "status_code", None) or 0
        if exception is not None and not code:
            code = self.outcomes.code_of_error(exception)
        self.sent += 1
        due_s = self.due.pop(me, start_s)
        self.rows.extend((due_s, start_s, end_s, response_time, code, OK if exception is None else FAILED))
        self._note_read(end_s, code)

    def follow(self, code: int) -> None:
        """The request that this greenlet has in flight was answered by a redirect, which its client now follows."""
        me = getcurrent()
        if me in self.in_flight:
            self._followed.setdefault(me, []).append(code)

    def cut(self) -> Slice:
        """Everything since the last cut; the counts of the trial's books are brought up to date."""
        self.verdicts.limit()
        hi_s = self.clock()
        rows = _taken(self.rows, ROW_WIDTH)
        thinks, chores, lags = (_taken(buffer, 2) for buffer in (self.thinks, self.chores, self.lags))
        flights = np.array([send_s for send_s in self.in_flight.values() if send_s is not UNSENT], dtype=np.float64)
        thinking = np.array(list(self.thinking.values()), dtype=np.float64)
        lo_s, self.cut_s = self.cut_s, hi_s
        self._book(rows)
        arrivals, reads = _taken(self.arrivals, 2), _taken(self.reads, 1)[:, 0]
        planned = self.ledger.due_before(hi_s) if self.ledger else None
        return Slice(lo_s, hi_s, rows, flights, thinks, thinking, chores, lags, arrivals, planned, reads)

    def reset_books(self) -> None:
        """Begin the books of a new trial. Only right with nothing in flight and after a cut."""
        self.sent = self.answered = self.failed = self.redirected = 0
        self.codes.clear()

    def _nested(self, me: Any, watched: Any, args: Any, kwargs: Any) -> Any:
        """A request that a listener makes while its greenlet has another one in flight."""
        outer_s, followed = self.in_flight.pop(me), self._followed.pop(me, None)
        aside = object()
        self.in_flight[aside] = outer_s
        try:
            return watched(*args, **kwargs)
        finally:
            del self.in_flight[aside]
            self.in_flight[me] = outer_s
            if followed:
                self._followed[me] = followed

    def _taken_off(self, me: Any, begun_s: float) -> float:
        """The send of the request that this greenlet has no longer in flight."""
        send_s = self.in_flight.pop(me)
        return begun_s if send_s is UNSENT else send_s

    def _settle_error(self, me: Any, starts_s: tuple[float, float], error: BaseException) -> None:
        if self.in_flight[me] is UNSENT and isinstance(error, GreenletExit):
            del self.in_flight[me]
            self.sent -= 1  # a user that was killed before its request went out
            return
        due_s, begun_s = starts_s
        end_s, send_s = self.clock(), self._taken_off(me, begun_s)
        self._count_followed(me, error)
        row = (due_s, send_s, end_s, (end_s - send_s) * 1e3, self.outcomes.code_of_error(error), FAILED)
        self.rows.extend(row)
        self.chores.extend((begun_s, send_s))

    def _settle(self, me: Any, starts_s: tuple[float, float], result: Any) -> None:
        (due_s, begun_s), last = starts_s, self.last_report
        now_s, send_s, meta = self.clock(), self._taken_off(me, begun_s), getattr(result, "request_meta", None)
        response = meta["response"] if meta else result
        reported = last["response"] is response
        error = last["exception"] if reported else getattr(response, "error", None)
        code = response.status_code or self.outcomes.code_of_error(error)
        ended_s, is_stamped = end_of(response, last["at_s"] if reported else now_s)
        end_s = max(send_s, ended_s)
        if not is_stamped:
            self._note_read(end_s, code)
        latency_ms, verdict = (end_s - send_s) * 1e3, OK if error is None else FAILED
        if not reported and meta:
            self.verdicts.expect(response, (due_s, send_s), end_s, code)
            latency_ms, verdict = NAN, UNJUDGED
        elif not reported:
            verdict = OK if code < FIRST_FAILURE else FAILED
        self.rows.extend((due_s, send_s, end_s, latency_ms, code, verdict))
        self.chores.extend((begun_s, send_s, end_s, now_s))

    def _note_read(self, end_s: float, code: int) -> None:
        """An answer, and no error that is the client's own, ended without a stamp."""
        if code < FIRST_ERROR:
            self.reads.append(end_s)

    def _count_followed(self, me: Any, error: BaseException | None) -> None:
        """A followed redirect was a request of its own to whoever answered it."""
        codes = self._followed.pop(me, [])
        if codes and isinstance(error, RetriesExceeded) and getattr(error, "original", None) is None:
            codes.pop()  # the limit of redirects was reached: the last one is the request's own failure
        self.redirected += len(codes)
        self.codes.update(codes)

    def _book(self, rows: Floats) -> None:
        settled = rows[~np.isnan(rows[:, START]), CODE].astype(np.int64)
        codes, counts = np.unique(settled, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.codes[code] += count
            if code < FIRST_ERROR:
                self.answered += count
            else:
                self.failed += count

    def books(self) -> dict[str, Any]:
        """The trial's counts up to the last cut; requests still in flight are sent and not yet settled."""
        return {
            "sent": self.sent + self.redirected,
            "answered": self.answered + self.redirected,
            "failed": self.failed,
            "in_flight": len(self.in_flight),
            "outcomes": {self.outcomes.name_of(code): count for code, count in sorted(self.codes.items())},
        }
