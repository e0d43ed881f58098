"""Answers over real sockets: when they ended, and that nobody asks for them before they are there."""

# mypy: allow-untyped-calls, disable-error-code="attr-defined"

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from _answer import end_of, timed_answer
from _collector import YOUNG, calm_collector
from geventhttpclient.response import HTTPConnectionClosed, HTTPSocketPoolResponse

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


class Pool:
    """Where a connection goes when its answer is over."""

    def __init__(self) -> None:
        self.returned: list[Any] = []
        self.released: list[Any] = []
        self.return_socket, self.release_socket = self.returned.append, self.released.append


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    client, server = gevent.socket.socketpair()
    with client, server:
        yield client, server


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def answer_class() -> Any:
    """Its clock counts how often it is read."""
    ticks = count(1)
    return timed_answer(HTTPSocketPoolResponse, lambda: float(next(ticks)))


def sends(server: Any, *parts: bytes) -> None:
    """Send each part once whoever waits for it has come to wait."""

    def sending() -> None:
        for part in parts:
            gevent.sleep(0.001)
            server.sendall(part)

    gevent.spawn(sending)


def test_an_answer_ended_when_its_last_part_was_read(pair: tuple[Any, Any], pool: Pool, answer_class: Any) -> None:
    sends(pair[1], HEAD, b"ab", b"cd")
    answer = answer_class(pair[0], pool)
    response = SimpleNamespace(_response=answer)
    assert end_of(response, 77.0) == (77.0, False)  # what is not read to its end ends when it is reported
    assert answer.read() == b"abcd"
    assert end_of(response, 77.0) == (3.0, False)
    assert (pool.returned, pool.released) == ([pair[0]], [])


def test_the_time_of_reading_is_taken_before_anything_is_made_of_the_answer(pair: tuple[Any, Any], pool: Pool) -> None:
    notes: list[str] = []

    class Noting(HTTPSocketPoolResponse):
        def feed(self, data: str | bytes) -> None:
            notes.append("parsed")
            super().feed(data)

    def clock() -> float:
        notes.append("clock")
        return 5.0

    sends(pair[1], HEAD + b"abcd")
    timed_answer(Noting, clock)(pair[0], pool)
    assert notes == ["clock", "parsed"]


def test_an_answer_beyond_4_kib_is_parsed_part_by_part_and_ends_before_the_last_part_is(
    pair: tuple[Any, Any], pool: Pool
) -> None:
    notes: list[object] = []

    class Noting(HTTPSocketPoolResponse):
        def feed(self, data: str | bytes) -> None:
            notes.append(len(data))
            super().feed(data)

    def clock() -> float:
        notes.append("clock")
        return float(len(notes))

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n"
    pair[1].sendall(head + b"x" * 8192)
    answer = timed_answer(Noting, clock)(pair[0], pool)
    assert len(answer.read()) == 8192
    assert notes == ["clock", 4096, "clock", 4096, "clock", len(head)]
    assert end_of(SimpleNamespace(_response=answer), 77.0) == (5.0, False)


def test_a_client_waits_for_an_answer_before_it_asks_for_it(
    pair: tuple[Any, Any], pool: Pool, answer_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    for name in ("_wait", "recv"):
        original = getattr(gevent.socket.socket, name)

        def noted(sock: Any, *args: Any, name: str = name, original: Any = original, **kwargs: Any) -> Any:
            notes.append(name)
            return original(sock, *args, **kwargs)

        monkeypatch.setattr(gevent.socket.socket, name, noted)
    sends(pair[1], HEAD + b"abcd")
    answer_class(pair[0], pool)
    assert notes == ["_wait", "recv"]


def test_a_connection_on_which_no_answer_came_in_time_is_given_up(
    pair: tuple[Any, Any], pool: Pool, answer_class: Any
) -> None:
    pair[0].settimeout(0.001)
    with pytest.raises(TimeoutError, match="timed out"):
        answer_class(pair[0], pool)
    assert (pool.returned, pool.released) == ([], [pair[0]])


def test_a_closed_connection_is_no_answer(pair: tuple[Any, Any], pool: Pool, answer_class: Any) -> None:
    pair[1].close()
    with pytest.raises(HTTPConnectionClosed, match="connection closed"):
        answer_class(pair[0], pool)
    assert pool.released == [pair[0]]


def test_what_came_before_the_answer_was_asked_for_needs_no_wait(
    pair: tuple[Any, Any], pool: Pool, answer_class: Any
) -> None:
    """Bytes that arrived together with a 100 Continue."""
    answer = answer_class(pair[0], pool, pre_buffered=HEAD + b"abcd")
    assert answer.read() == b"abcd"


def test_what_a_client_does_not_say_ends_with_its_report() -> None:
    assert end_of(object(), 77.0) == (77.0, False)
    assert end_of(SimpleNamespace(_response=None), 77.0) == (77.0, False)
    assert end_of(SimpleNamespace(_response=SimpleNamespace(message_complete=True)), 77.0) == (77.0, False)


def test_the_collector_leaves_alone_what_is_there_and_starts_seldom() -> None:
    before = gc.get_threshold()
    try:
        calm_collector()
        assert gc.get_threshold() == (YOUNG, *before[1:])
        assert gc.get_freeze_count() > 0
        cycle: list[Any] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() > 0  # garbage made since is found all the same
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
