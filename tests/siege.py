"""Many odd clients at once, some that hold their connection all the while, and one good client that must be served."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from odd_clients import OK, Door, Talk, converse, fault, held_open

AT_ONCE = 8
HELD = 4
BREATH_S = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Siege:
    """What came of it. faults: one line each. good_s: how long each good request took; missed: those not served."""

    talks: int
    faults: tuple[str, ...]
    good_s: tuple[float, ...]
    missed: tuple[str, ...]


class _GoodClient:
    """One request after another, each on a connection of its own."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._talk = Talk(name="good", pieces=(door.whole("Connection: close"),), end="waits", may=OK, least=1)
        self.good_s: list[float] = []
        self.missed: list[str] = []

    def ask(self) -> None:
        """Ask once."""
        began_s = time.perf_counter()
        try:
            wrong = fault(self._talk, converse(self._door.port, self._talk))
        except OSError as error:
            wrong = f"good: {error!r}"
        if wrong is None:
            self.good_s.append(time.perf_counter() - began_s)
        else:
            self.missed.append(wrong)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask until the end, and once after it."""
        over = Event()

        def keep_on() -> None:
            while not over.wait(BREATH_S):
                self.ask()

        thread = Thread(target=keep_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.ask()


def besiege(door: Door, talks: Iterable[Talk]) -> Siege:
    """Let all of them talk, eight at a time, beside four that hold a connection open by a head that never ends."""
    told, client = tuple(talks), _GoodClient(door)
    with client.asking(), ThreadPoolExecutor(AT_ONCE) as crowd, _holding(door):
        faults = [wrong for wrong in crowd.map(lambda talk: _fault(door, talk), told) if wrong is not None]
    return Siege(talks=len(told), faults=tuple(faults), good_s=tuple(client.good_s), missed=tuple(client.missed))


def _fault(door: Door, talk: Talk) -> str | None:
    try:
        return fault(talk, converse(door.port, talk))
    except OSError as error:
        return f"{talk.name}: no connection: {error!r}"


@contextmanager
def _holding(door: Door) -> Iterator[None]:
    over = Event()

    def hold() -> None:
        while not over.is_set():
            _fault(door, held_open(door))

    threads = [Thread(target=hold, daemon=True) for _ in range(HELD)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
