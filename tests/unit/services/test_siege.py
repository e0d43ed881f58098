"""The siege itself: it finds servers that answer 500, hang, or stop serving those who behave."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Thread

import pytest

import odd_clients
from odd_clients import HOST, OK, Door, Heard, Talk, converse, fault, spoilt, talks
from siege import besiege

ANSWER = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
Act = Callable[[socket.socket], None]


@contextmanager
def _server(act: Act) -> Iterator[Door]:
    """Accepts one connection after another, does one thing to each, and closes it."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                act(connection)

    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield Door(port=listener.getsockname()[1], good="/", posts="/")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _says(*statuses: int) -> Act:
    def act(connection: socket.socket) -> None:
        connection.recv(65_536)
        for status in statuses:
            connection.sendall(ANSWER % status)

    return act


def _talk(door: Door, least: int = 1) -> Talk:
    return Talk(name="one", pieces=(door.whole(),), end="waits", may=OK, least=least)


@pytest.mark.parametrize(
    ("statuses", "least", "told"),
    [
        ((200,), 1, None),
        ((500,), 1, "one: answered [500], expected 1 of [200]"),
        ((200, 500), 1, "one: answered [200, 500], expected 1 of [200]"),
        ((200,), 2, "one: answered [200], expected 2 of [200]"),
        ((), 1, "one: answered [], expected 1 of [200]"),
    ],
)
def test_answers_are_held_to_what_they_may_be(statuses: tuple[int, ...], least: int, told: str | None) -> None:
    with _server(_says(*statuses)) as door:
        talk = _talk(door, least)
        assert fault(talk, converse(door.port, talk)) == told


def test_a_connection_that_is_left_open_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odd_clients, "PATIENCE_S", 0.1)

    def hang(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    with _server(hang) as door:
        heard = converse(door.port, _talk(door))
    assert heard == Heard(statuses=(), hung=True)
    assert fault(_talk(door), heard) == "one: the connection was left open, answers so far []"


def test_a_good_client_that_is_not_served_is_missed() -> None:
    with _server(_says(503)) as door:
        seen = besiege(door, [Talk(name="any", pieces=(b"x",), end="leaves", may=OK)])
    assert (seen.talks, seen.faults, seen.good_s) == (1, (), ())
    assert seen.missed


def test_the_same_seed_spoils_alike() -> None:
    door = Door(port=1, good="/a", posts="/b")
    drawn = [[spoilt(door, Random(seed)) for _ in range(5)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    names = [talk.name for talk in talks(door)]
    assert len(set(names)) == len(names)
