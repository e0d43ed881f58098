"""Every request of this process: when it was sent, when it ended, what came of it.

``watch_requests`` wraps methods of Locust's classes, so that any User class is recorded, also one that knows
nothing of this. The hot path only appends numbers; ``cut`` turns them into a slice for numpy.
In a closed loop a request is intended when it is sent, so the intended start of a row is its start.

Times are of ``time.perf_counter`` (monotonic). A latency is Locust's own ``response_time``; a span in flight is
what the wrapper saw, a few microseconds longer. A user waits where Locust makes it wait (``wait_time``,
``self.wait()``); a plain ``gevent.sleep`` inside a task counts neither as request nor as thinking.
"""

from __future__ import annotations

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


def error_name(error: BaseException | None) -> str:
    """The class of an error, looking through geventhttpclient's RetriesExceeded to its cause."""
    original = getattr(error, "original", None)
    return f"error:{type(original if isinstance(original, BaseException) else error).__name__}"


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
        self.yields: list[float] = []
        self.lags: list[float] = []
        self.in_flight: dict[Any, float] = {}
        self.thinking: dict[Any, float] = {}
        self.last_report: dict[str, Any] = {"response": None, "exception": None, "response_time": 0.0}
        """What Locust's request event said last; its ``update`` is a listener that costs no Python frame."""
        self.sent = 0
        self.answered = 0
        self.failed = 0
        self.redirected = 0
        self.codes: Counter[int] = Counter()
        self.cut_s = clock()
        self._names: list[str] = []
        self._unjudged: dict[int, tuple[float, float, float, Any]] = {}
        self._reporting: set[Any] = set()

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

    def watch_requests(self, request: Callable[..., Any], plain: Any = None) -> Callable[..., Any]:
        """Wrap the ``request`` method of an HTTP session class.

        plain: the class of response that a session returns when it has reported the request itself and the
        status is in ``_response`` (FastHttpSession); anything else takes the longer way.
        """
        in_flight, last, clock, append = self.in_flight, self.last_report, self.clock, self.rows.extend

        def watched(session: Any, *args: Any, **kwargs: Any) -> Any:
            me = getcurrent()
            if me in in_flight:
                return self._nested(me, watched, (session, *args), kwargs)
            self.sent += 1
            in_flight[me] = start_s = clock()
            try:
                result: Any = request(session, *args, **kwargs)
            except BaseException as error:
                self._broken(start_s, error)
                raise
            finally:
                del in_flight[me]
            if result.__class__ is plain and last["response"] is result:
                verdict = OK if last["exception"] is None else FAILED
                append((start_s, clock(), last["response_time"], result._response.get_code(), verdict))
                if result._history:
                    self._redirects(result._history)
            else:
                self._settle(start_s, result)
            return result

        return watched

    def watch_reports(self, report: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap ``_report_request`` of a response that its scenario judges (catch_response)."""
        reporting = self._reporting

        def watched(response: Any, *args: Any, **kwargs: Any) -> Any:
            me = getcurrent()
            self._judge(response.request_meta)
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
            code = self.code_of(error_name(exception))
        self.sent += 1
        self.rows.extend((start_s, end_s, response_time, code, OK if exception is None else FAILED))

    def cut(self) -> Slice:
        """Everything since the last cut; the counts of the trial's books are brought up to date."""
        self._limit_unjudged()
        hi_s = self.clock()
        rows = _taken(self.rows, ROW_WIDTH)
        thinks, yields, lags = (_taken(buffer, 2) for buffer in (self.thinks, self.yields, self.lags))
        flights = np.array(list(self.in_flight.values()), dtype=np.float64)
        thinking = np.array(list(self.thinking.values()), dtype=np.float64)
        lo_s, self.cut_s = self.cut_s, hi_s
        self._book(rows)
        return Slice(lo_s, hi_s, rows, flights, thinks, thinking, yields, lags)

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

    def _nested(self, me: Any, watched: Any, args: Any, kwargs: Any) -> Any:
        """A request that a listener makes while its greenlet has another one in flight."""
        outer_s = self.in_flight.pop(me)
        aside = object()
        self.in_flight[aside] = outer_s
        try:
            return watched(*args, **kwargs)
        finally:
            del self.in_flight[aside]
            self.in_flight[me] = outer_s

    def _broken(self, start_s: float, error: BaseException) -> None:
        end_s = self.clock()
        row = (start_s, end_s, (end_s - start_s) * 1e3, self.code_of(error_name(error)), FAILED)
        self.rows.extend(row)

    def _settle(self, start_s: float, result: Any) -> None:
        end_s, last = self.clock(), self.last_report
        meta = getattr(result, "request_meta", None)
        response = meta["response"] if meta else result
        reported = last["response"] is response
        error = last["exception"] if reported else getattr(response, "error", None)
        code = response.status_code or self.code_of(error_name(error))
        if reported:
            row = (start_s, end_s, last["response_time"], code, OK if error is None else FAILED)
        elif meta:
            self._unjudged[id(response)] = (start_s, end_s, code, response)
            row = (start_s, end_s, NAN, code, UNJUDGED)
        else:
            row = (start_s, end_s, (end_s - start_s) * 1e3, code, OK if code < FIRST_FAILURE else FAILED)
        self.rows.extend(row)
        history = getattr(response, "history", None)
        if history and code < FIRST_ERROR:
            self._redirects(history)

    def _judge(self, meta: Any) -> None:
        waiting = self._unjudged.pop(id(meta["response"]), None)
        if waiting is not None:
            verdict = OK if meta["exception"] is None else FAILED
            self.rows.extend((NAN, waiting[1], meta["response_time"], waiting[2], verdict))

    def _redirects(self, history: Any) -> None:
        """A followed redirect was a request of its own to whoever answered it."""
        self.redirected += len(history)
        self.codes.update(step.status_code for step in history)

    def _give_up(self, key: int) -> None:
        start_s, end_s, _, _ = self._unjudged.pop(key)
        code = self.code_of(UNJUDGED_NAME)
        self.rows.extend((NAN, end_s, (end_s - start_s) * 1e3, code, FAILED))

    def _limit_unjudged(self) -> None:
        while len(self._unjudged) > MAX_UNJUDGED:
            self._give_up(next(iter(self._unjudged)))

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
