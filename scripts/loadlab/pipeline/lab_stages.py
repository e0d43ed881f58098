"""The stages of raising the lab, each announced, timed and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loadlab.execute.lab.record import StageTime
from loadlab.execute.ports import Clock


class Stages:
    """Tells what goes on and how long each stage took."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._began_s = clock.monotonic_s()
        self._done: list[StageTime] = []

    @property
    def done(self) -> tuple[StageTime, ...]:
        """The stages that ended well, in order."""
        return tuple(self._done)

    @property
    def total_s(self) -> float:
        """Since the first of them began."""
        return self._clock.monotonic_s() - self._began_s

    def tell(self, line: str) -> None:
        """Something within a stage."""
        self._say(f"  {line}")

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """One stage; the function given is told what it came to."""
        began_s = self._clock.monotonic_s()
        notes: list[str] = []
        yield notes.append
        took_s = self._clock.monotonic_s() - began_s
        note = ", ".join(notes)
        self._done.append(StageTime(name=name, took_s=round(took_s, 2), note=note))
        self._say(f"{name:<8} {took_s:6.1f} s  {note}")
