"""Every request of this process: when it was sent, when it ended, what came of it.

``watch_requests`` and ``watch_waits`` wrap methods of Locust's classes, so that any User class is recorded, also
one that knows nothing of this. The hot path only appends numbers; ``cut`` turns them into a slice for numpy.
In a closed loop a request is intended when it is sent, so the intended start of a row is its start.

Times are of ``time.perf_counter`` (monotonic). A latency is Locust's own ``response_time``; a span in flight is
what the wrapper saw, a few microseconds longer. A user waits where Locust makes it wait (``wait_time``,
``self.wait()``); a plain ``gevent.sleep`` inside a task counts neither as request nor as thinking.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from _histogram import Floats
from _tally import CODE, FAILED, OK, ROW_WIDTH, START, UNJUDGED, Slice
from gevent import getcurrent

FIRST_FAILURE = 400
FIRST_ERROR = 1000
"""Codes below are HTTP statuses; 0 is a success of something that is not HTTP; from here on they are errors."""
MAX_UNJUDGED = 5000
NAN = float("nan")
UNJUDGED_NAME = "error:unjudged"

Flight = list[Any]
"""start_s, latency_ms, exception, response: filled in when Locust reports the request."""


def error_name(error: BaseException | None) -> str:
    """The class of an error, looking through geventhttpclient's RetriesExceeded to its cause."""
    original = getattr(error, "original", None)
    return f"error:{type(original if isinstance(original, BaseException) else error).__name__}"


class Recorder:
    """The requests and waits of one process."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self.rows = array("d")
        self.thinks = array("d")
        self.lags = array("d")
        self.in_flight: dict[Any, Flight] = {}
        self.thinking: dict[Any, float] = {}
        self.sent = 0
        self.answered = 0
        self.failed = 0
        self.redirected = 0
        self.codes: Counter[int] = Counter()
        self.cut_s = clock()
        self._names: list[str] = []
        self._unjudged: dict[int, tuple[float, float, float, Any]] = {}
        self._given_up: dict[int, Any] = {}

    def name_of(self, code: int) -> str:
        """The outcome of a code: "200", "ok" for what is not HTTP, "error:TimeoutError" and so on."""
        if code >= FIRST_ERROR:
            return self._names[code - FIRST_ERROR]
        return str(code) if code else "ok"

    def code_of(self, name: str) -> int:
        """The code of an outcome that is not an HTTP status."""
        if name not in self._names:
            self._names.append(name)
        return FIRST_ERROR + self._names.index(name)

    def watch_requests(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the ``request`` method of an HTTP session class."""
        in_flight, clock, append = self.in_flight, self.clock, self.rows.extend

        def watched(session: Any, *args: Any, **kwargs: Any) -> Any:
            me = getcurrent()
            outer = in_flight.get(me)
            if outer is not None:
                in_flight[id(outer)] = outer
            self.sent += 1
            flight: Flight = [clock(), None, None, None]
            in_flight[me] = flight
            result, broken = None, None
            try:
                result = request(session, *args, **kwargs)
                return result
            except BaseException as error:
                broken = error
                raise
            finally:
                end_s = clock()
                if outer is None:
                    del in_flight[me]
                else:
                    in_flight[me] = in_flight.pop(id(outer))
                response = flight[3]
                if response is not None:
                    exception = flight[2]
                    code = response.status_code or self.code_of(error_name(exception))
                    append((flight[0], end_s, flight[1], code, OK if exception is None else FAILED))
                    if code < FIRST_ERROR and response.history:
                        self._redirects(response.history)
                else:
                    append(self._row_without_report(flight[0], end_s, result, broken))

        return watched

    def watch_waits(self, wait: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the ``wait`` method of a task set class."""
        thinking, clock, append = self.thinking, self.clock, self.thinks.extend

        def watched(task_set: Any) -> Any:
            me = getcurrent()
            start_s = thinking[me] = clock()
            try:
                return wait(task_set)
            finally:
                thinking.pop(me, None)
                append((start_s, clock()))

        return watched

    def on_request(
        self, response_time: float, exception: BaseException | None = None, response: Any = None, **_: Any
    ) -> None:
        """Locust's request event: from inside a watched request, after it (catch_response), or from elsewhere."""
        flight = self.in_flight.get(getcurrent())
        if flight is not None and flight[1] is None and response is not None:
            flight[1] = response_time
            flight[2] = exception
            flight[3] = response
        elif (waiting := self._unjudged.pop(id(response), None)) is not None:
            verdict = OK if exception is None else FAILED
            self.rows.extend((NAN, waiting[1], response_time, waiting[2], verdict))
        elif self._given_up.pop(id(response), None) is None:
            self._foreign(response_time, exception, response)

    def cut(self) -> Slice:
        """Everything since the last cut; the counts of the trial's books are brought up to date."""
        self._limit_unjudged()
        hi_s = self.clock()
        rows = np.array(self.rows).reshape(-1, ROW_WIDTH)
        thinks = np.array(self.thinks).reshape(-1, 2)
        lags = np.array(self.lags).reshape(-1, 2)
        for buffer in (self.rows, self.thinks, self.lags):
            del buffer[:]
        flights = np.array([flight[0] for flight in self.in_flight.values()], dtype=np.float64)
        thinking = np.array(list(self.thinking.values()), dtype=np.float64)
        lo_s, self.cut_s = self.cut_s, hi_s
        self._book(rows)
        return Slice(lo_s, hi_s, rows, flights, thinks, thinking, lags)

    def awaits_verdict(self, from_s: float, until_s: float) -> bool:
        """Whether a request that ended in [from_s, until_s) has not been judged by its scenario yet."""
        return any(from_s <= entry[1] < until_s for entry in self._unjudged.values())

    def give_up_unjudged(self, from_s: float, until_s: float) -> int:
        """Count requests that ended in [from_s, until_s) and were never judged as failed; how many they were."""
        late = [key for key, entry in self._unjudged.items() if from_s <= entry[1] < until_s]
        for key in late:
            self._give_up(key)
        return len(late)

    def reset_books(self) -> None:
        """Begin the books of a new trial. Only right with nothing in flight and after a cut."""
        self.sent = self.answered = self.failed = self.redirected = 0
        self.codes.clear()

    def _row_without_report(
        self, start_s: float, end_s: float, result: Any, broken: BaseException | None
    ) -> tuple[float, ...]:
        if broken is not None:
            return start_s, end_s, (end_s - start_s) * 1e3, self.code_of(error_name(broken)), FAILED
        reported_later = getattr(result, "request_meta", None)
        response = reported_later["response"] if reported_later else result
        status = response.status_code or self.code_of(error_name(getattr(response, "error", None)))
        if not reported_later:
            verdict = OK if status < FIRST_FAILURE else FAILED
            return start_s, end_s, (end_s - start_s) * 1e3, status, verdict
        self._unjudged[id(response)] = (start_s, end_s, status, response)
        self._given_up.pop(id(response), None)
        history = getattr(response, "history", None)
        if history and status < FIRST_ERROR:
            self._redirects(history)
        return start_s, end_s, NAN, status, UNJUDGED

    def _redirects(self, history: Any) -> None:
        """A followed redirect was a request of its own to whoever answered it."""
        self.redirected += len(history)
        self.codes.update(step.status_code for step in history)

    def _foreign(self, response_time: float, exception: BaseException | None, response: Any) -> None:
        """A request of a client that is not watched (not HTTP): known only now that it is over."""
        end_s = self.clock()
        start_s = max(end_s - response_time / 1e3, self.cut_s)
        code = getattr(response, "status_code", None) or 0
        if exception is not None and not code:
            code = self.code_of(error_name(exception))
        self.sent += 1
        self.rows.extend((start_s, end_s, response_time, code, OK if exception is None else FAILED))

    def _give_up(self, key: int) -> None:
        start_s, end_s, _, response = self._unjudged.pop(key)
        self._given_up[key] = response
        code = self.code_of(UNJUDGED_NAME)
        self.rows.extend((NAN, end_s, (end_s - start_s) * 1e3, code, FAILED))

    def _limit_unjudged(self) -> None:
        while len(self._unjudged) > MAX_UNJUDGED:
            self._give_up(next(iter(self._unjudged)))
        while len(self._given_up) > MAX_UNJUDGED:
            del self._given_up[next(iter(self._given_up))]

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
            "outcomes": {self.name_of(code): count for code, count in sorted(self.codes.items())},
        }
