"""Requests and their books, recorded through wrapped methods of small sessions that behave like Locust's."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from _outcomes import error_name
from _recorder import Recorder
from _tally import END, INTENDED, LATENCY_MS, START, WindowTally
from _verdicts import MOST_UNJUDGED
from geventhttpclient.useragent import RetriesExceeded


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Response:
    def __init__(self, status: int) -> None:
        self.status_code = status
        self.request_meta: dict[str, Any] = {}
        self.error: BaseException | None = None


class Session:
    """Answers after ``takes_s``; reports like Locust, or later when the scenario judges (catch_response)."""

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        self.clock, self.recorder = clock, recorder
        self.prepares_s = 0.0
        self.takes_s = 0.5
        self.preparing: Callable[[], Any] = lambda: None
        self.during: Callable[[], Any] = lambda: None

    def request(self, status: int, *, catch: bool = False, error: BaseException | None = None) -> Response:
        self.preparing()
        self.clock.now_s += self.prepares_s
        self.recorder.send()
        self.clock.now_s += self.takes_s
        self.during()
        response = Response(status)
        response.request_meta = {"response": response, "response_time": self.takes_s * 1e3, "exception": error}
        if not catch:
            self.recorder.watch_events()(**response.request_meta)
        return response


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(clock)


@pytest.fixture
def session(clock: Clock, recorder: Recorder) -> Iterator[Session]:
    original = Session.request
    Session.request = recorder.watch_requests(original)  # type: ignore[method-assign]
    yield Session(clock, recorder)
    Session.request = original  # type: ignore[method-assign]


def tally(recorder: Recorder, opens_s: float = 0.0, closes_s: float = 1e6) -> WindowTally:
    window = WindowTally(opens_s, closes_s, 1.0)
    window.fold(recorder.cut())
    return window


def test_an_answer_is_sent_answered_and_ok_with_locusts_latency(session: Session, recorder: Recorder) -> None:
    session.request(200)
    session.request(503, error=RuntimeError("bad status"))
    window = tally(recorder)
    assert (window.ok, window.failed, window.latency_sum_s) == (1, 1, 1.0)
    assert recorder.books() == {
        "sent": 2,
        "answered": 2,
        "failed": 0,
        "in_flight": 0,
        "outcomes": {"200": 1, "503": 1},
    }


class Plain:
    """What a session returns that reports by itself, of a client that does not say when it read."""

    def __init__(self) -> None:
        self._response = SimpleNamespace(message_complete=True, get_code=lambda: 200)


def test_an_answer_of_a_client_that_does_not_say_when_it_read_ends_with_its_report(
    recorder: Recorder, clock: Clock
) -> None:
    def request(_: object) -> Plain:
        recorder.send()
        clock.now_s += 0.25
        plain = Plain()
        recorder.watch_events()(response=plain)
        clock.now_s += 1.0
        return plain

    recorder.watch_requests(request, Plain)(None)
    piece = recorder.cut()
    assert piece.rows[0, [END, LATENCY_MS]].tolist() == [100.25, 250.0]
    assert piece.reads.tolist() == [100.25]


@pytest.mark.parametrize(
    ("is_stamped", "is_complete", "end_s"), [(True, True, 100.5), (False, True, 100.5), (True, False, 101.0)]
)
def test_answers_without_a_stamp_of_their_arrival_are_noted(
    recorder: Recorder, clock: Clock, is_stamped: bool, is_complete: bool, end_s: float
) -> None:
    """One that is not read to its end ends with its report, whatever was stamped of it."""

    def request(_: object) -> Plain:
        recorder.send()
        clock.now_s += 1.0
        plain = Plain()
        told = {"lab_end_s": 100.5, "lab_is_stamped": is_stamped, "message_complete": is_complete}
        plain._response.__dict__.update(told)
        recorder.watch_events()(response=plain)
        return plain

    recorder.watch_requests(request, Plain)(None)
    piece = recorder.cut()
    assert piece.rows[:, END].tolist() == [end_s]
    assert piece.reads.tolist() == ([] if is_stamped and is_complete else [end_s])
    assert recorder.cut().reads.tolist() == []


def test_an_answer_is_noted_once_whenever_it_is_judged_and_an_error_is_no_answer(
    session: Session, recorder: Recorder
) -> None:
    recorder.watch_reports(lambda _: None)(session.request(200, catch=True))
    session.request(0, error=ConnectionRefusedError())
    session.request(503, error=RuntimeError("bad status"))
    recorder.on_other_request(250.0)
    recorder.on_other_request(250.0, exception=OSError("no route"))
    assert recorder.cut().reads.tolist() == [100.5, 101.5, 101.5]


def test_no_answer_is_a_failure_named_by_its_error(session: Session, recorder: Recorder) -> None:
    session.request(0, error=ConnectionRefusedError())
    recorder.cut()
    assert recorder.books()["outcomes"] == {"error:ConnectionRefusedError": 1}
    assert (recorder.books()["answered"], recorder.books()["failed"]) == (0, 1)


def test_an_error_that_leaves_the_request_is_counted_and_passed_on(session: Session, recorder: Recorder) -> None:
    def explode() -> None:
        raise TimeoutError("slow")

    session.during = explode
    with pytest.raises(TimeoutError, match="slow"):
        session.request(200)
    window = tally(recorder)
    assert (window.failed, window.latency_sum_s) == (1, 0.5)
    assert recorder.books()["outcomes"] == {"error:TimeoutError": 1}
    assert not recorder.in_flight


def test_a_killed_user_leaves_a_settled_request(session: Session, recorder: Recorder) -> None:
    session.during = lambda: gevent.sleep(60)
    user = gevent.spawn(session.request, 200)
    gevent.sleep(0)
    recorder.cut()
    assert recorder.books()["in_flight"] == 1
    user.kill()
    recorder.cut()
    books = recorder.books()
    assert books["sent"] == books["answered"] + books["failed"] == 1
    assert books["outcomes"] == {"error:GreenletExit": 1}


def test_a_user_that_is_killed_before_its_request_went_out_sent_nothing(session: Session, recorder: Recorder) -> None:
    session.preparing = lambda: gevent.sleep(60)
    user = gevent.spawn(session.request, 200)
    gevent.sleep(0)
    assert recorder.cut().flights.size == 0
    assert recorder.books()["in_flight"] == 1
    user.kill()
    recorder.cut()
    assert recorder.books() == {"sent": 0, "answered": 0, "failed": 0, "in_flight": 0, "outcomes": {}}


def test_a_row_keeps_intended_start_send_and_end(session: Session, recorder: Recorder, clock: Clock) -> None:
    """Due at 100, asked for at 103, sent at 103.25, answered at 103.75; what is not answer time is a chore."""
    recorder.due[gevent.getcurrent()] = 100.0
    clock.now_s, session.prepares_s = 103.0, 0.25
    session.request(200)
    session.request(200)
    piece = recorder.cut()
    rows = piece.rows[:, [INTENDED, START, END, LATENCY_MS]]
    assert rows.tolist() == [[100.0, 103.25, 103.75, 500.0], [103.75, 104.0, 104.5, 500.0]]
    assert piece.chores.tolist() == [[103.0, 103.25], [103.75, 103.75], [103.75, 104.0], [104.5, 104.5]]


def test_a_chain_that_reaches_the_limit_of_redirects_counts_each_request_once(recorder: Recorder) -> None:
    """Three went out and were answered by redirects; the last one is the failure that the scenario sees."""

    def request(session: object) -> Response:
        for _ in range(3):
            recorder.follow(302)
        response = Response(0)
        response.error = RetriesExceeded("/", "Redirection limit reached (2)")
        return response

    recorder.watch_requests(request)(object())
    recorder.cut()
    books = recorder.books()
    assert (books["sent"], books["answered"], books["failed"]) == (3, 2, 1)


def test_a_redirect_of_a_request_that_is_not_recorded_is_none_of_ours(recorder: Recorder) -> None:
    recorder.follow(302)
    recorder.cut()
    assert recorder.books()["sent"] == 0


def test_requests_in_flight_are_known_by_their_start(session: Session, recorder: Recorder, clock: Clock) -> None:
    session.during = lambda: gevent.sleep(60)
    users = [gevent.spawn(session.request, 200) for _ in range(3)]
    gevent.sleep(0)
    assert recorder.cut().flights.tolist() == [100.0, 100.5, 101.0]
    gevent.killall(users)


def test_a_verdict_that_comes_later_decides(session: Session, recorder: Recorder, clock: Clock) -> None:
    report = recorder.watch_reports(lambda _: None)
    good, bad = session.request(200, catch=True), session.request(200, catch=True)
    window = tally(recorder)
    assert (window.ok, window.failed) == (0, 0)
    assert recorder.books()["answered"] == 2
    clock.now_s += 5
    bad.request_meta["exception"] = ValueError("wrong content")
    report(good)
    report(bad)
    window.fold(recorder.cut())
    assert (window.ok, window.failed, window.latency_sum_s) == (1, 1, 1.0)
    assert recorder.books()["answered"] == 2


def test_a_request_that_nobody_judges_fails_once(session: Session, recorder: Recorder) -> None:
    response = session.request(200, catch=True)
    assert recorder.verdicts.awaited(100.0, 101.0)
    assert not recorder.verdicts.awaited(101.0, 102.0)
    assert recorder.verdicts.give_up(100.0, 101.0) == 1
    recorder.watch_reports(lambda _: None)(response)
    window = tally(recorder)
    part = window.part(recorder.outcomes.name_of)
    assert (part["ok"], part["failed"], part["outcomes"]) == (0, 1, {"error:unjudged": 1})
    assert recorder.books()["outcomes"] == {"200": 1}


def test_unjudged_requests_are_bounded(session: Session, recorder: Recorder) -> None:
    for _ in range(MOST_UNJUDGED + 7):
        session.request(200, catch=True)
    assert tally(recorder).failed == 7


def test_a_followed_redirect_was_a_request_of_its_own(clock: Clock, recorder: Recorder) -> None:
    def request(session: object) -> Response:
        recorder.follow(302)
        recorder.follow(307)
        return Response(200)

    recorder.watch_requests(request)(object())
    recorder.cut()
    books = recorder.books()
    assert (books["sent"], books["answered"]) == (3, 3)
    assert books["outcomes"] == {"200": 1, "302": 1, "307": 1}


def test_a_listener_may_send_a_request_of_its_own(session: Session, recorder: Recorder) -> None:
    def inner() -> None:
        session.during = lambda: None
        session.request(201)
        assert len(recorder.in_flight) == 1

    session.during = inner
    session.request(200)
    recorder.cut()
    assert recorder.books()["outcomes"] == {"200": 1, "201": 1}
    assert not recorder.in_flight


def test_what_is_not_http_is_counted_from_its_report_alone(recorder: Recorder, clock: Clock) -> None:
    clock.now_s += 10
    recorder.on_other_request(250.0)
    recorder.on_other_request(100.0, exception=OSError("gone"))
    window = tally(recorder)
    assert (window.ok, window.failed, window.sent) == (1, 1, 2)
    assert recorder.books()["outcomes"] == {"ok": 1, "error:OSError": 1}


def test_the_report_of_a_watched_request_is_not_counted_twice(session: Session, recorder: Recorder) -> None:
    session.during = lambda: recorder.on_other_request(500.0)
    session.request(200)
    recorder.cut()
    assert recorder.books()["sent"] == 1


def test_new_books_begin_at_zero_and_names_stay(session: Session, recorder: Recorder) -> None:
    session.request(0, error=OSError())
    recorder.cut()
    recorder.reset_books()
    assert recorder.books() == {"sent": 0, "answered": 0, "failed": 0, "in_flight": 0, "outcomes": {}}
    session.request(0, error=OSError())
    recorder.cut()
    assert recorder.books()["outcomes"] == {"error:OSError": 1}


def test_an_error_is_named_by_its_cause_behind_retries() -> None:
    class RetriesExceeded(Exception):
        original = TimeoutError()

    assert error_name(RetriesExceeded()) == "error:TimeoutError"
