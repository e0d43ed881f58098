"""The windows that are open on this worker: what they are made of, and their parts for the master when they close."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gevent
from _health import CpuMeter, CpuReading
from _recorder import Recorder
from _roster import Roster
from _tally import Slice, WindowTally, joined
from gevent.event import Event

READ_ROUNDS, READ_ROUND_S = 2, 0.001
"""A closed window waits for answers that arrived in it and are not read yet: in each round the loop looks for them."""
MOST_PIECES, MOST_ROWS = 64, 5000
"""Slices, and requests in them, that are kept until their window closes: many cost little more to add than one."""
LATE_VERDICT_S = 0.25
"""How long a closed window waits for scenarios to judge (catch_response) what ended in it."""


@dataclass(slots=True)
class OpenWindow:
    """A window on this worker from the order to open it until its part is sent."""

    id: str
    tally: WindowTally
    nearer: Event
    late_s: float
    at_open: CpuReading | None = None


class OpenWindows:
    """send: to the master. cut: have the recorder's newest slice handed to ``take``."""

    def __init__(
        self,
        recorder: Recorder,
        roster: Roster,
        meter: CpuMeter,
        *,
        send: Callable[[str, dict[str, Any]], None],
        cut: Callable[[], None],
    ) -> None:
        self._recorder = recorder
        self._meter = meter
        self._roster = roster
        self._send = send
        self._cut = cut
        self._windows: dict[str, OpenWindow] = {}
        self._unfolded: list[Slice] = []
        self._folded_s = recorder.cut_s

    def open(self, order: Mapping[str, Any]) -> None:
        """Begin a window, unless it is open; it closes by itself. What was cut before is in none of it."""
        if order["id"] in self._windows:
            return
        tally = WindowTally(order["opens_s"], order["closes_s"], order["good_within_s"])
        late_s = max(0.0, self._recorder.cut_s - tally.opens_s)
        window = OpenWindow(order["id"], tally, Event(), late_s)
        self._fold()
        self._windows[window.id] = window
        gevent.spawn(self._attend, window)

    def close(self, name: str, closes_s: float) -> None:
        """Move its end nearer, not before what was added up; nothing for a window that is not open."""
        window = self._windows.get(name)
        if window is not None:
            nearer_s = max(closes_s, self._folded_s)
            window.tally.closes_s = min(window.tally.closes_s, nearer_s)
            window.nearer.set()

    def take(self, piece: Slice) -> None:
        """Keep the slice until a window closes, or it is time to add up. Slices must come in order, without gaps."""
        if self._windows:
            self._unfolded.append(piece)
            if len(self._unfolded) > MOST_PIECES or sum(len(one.rows) for one in self._unfolded) > MOST_ROWS:
                self._fold()

    def end(self) -> None:
        """All of them end now, early."""
        for window in list(self._windows.values()):
            self._finish(window, early=True)

    def _attend(self, window: OpenWindow) -> None:
        clock, tally = self._recorder.clock, window.tally
        window.nearer.wait(max(0.0, tally.opens_s - clock()))
        window.at_open = self._meter.read()
        while (left_s := tally.closes_s - clock()) > 0:
            window.nearer.clear()
            window.nearer.wait(left_s)
        for _ in range(READ_ROUNDS):
            gevent.sleep(READ_ROUND_S)
        self._cut()
        if self._recorder.verdicts.awaited(tally.opens_s, tally.closes_s):
            gevent.sleep(LATE_VERDICT_S)
        if window.id in self._windows:
            self._finish(window, early=False)

    def _finish(self, window: OpenWindow, *, early: bool) -> None:
        recorder, tally = self._recorder, window.tally
        ended_s = min(tally.closes_s, recorder.clock())
        unjudged = recorder.verdicts.give_up(tally.opens_s, ended_s)
        self._cut()
        self._fold()
        del self._windows[window.id]
        now = self._meter.read()
        part = tally.part(recorder.outcomes.name_of)
        part["id"] = window.id
        part["ended_s"] = ended_s - tally.opens_s
        part["early"] = early
        part["late_s"] = window.late_s
        part["unjudged"] = unjudged
        part["own_waits"] = sorted(self._roster.own_waits)
        part["health"] = self._meter.between(window.at_open or now, now)
        self._send("lab_part", part)

    def _fold(self) -> None:
        if self._unfolded:
            piece = joined(self._unfolded)
            self._unfolded.clear()
            self._folded_s = piece.hi_s
            for window in self._windows.values():
                window.tally.fold(piece)
