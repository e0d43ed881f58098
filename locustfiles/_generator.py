"""The worker's side: obeys the master's messages, keeps the windows that are open, sends their parts.

The same code serves a plain `locust` process, whose runner hands messages from one side to the other.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from typing import Any

import gevent
from _abandon import abandon
from _health import CpuMeter, CpuReading, probe_lag
from _histogram import sparse_of
from _open_summary import OpenSummary
from _recorder import Recorder
from _roster import Roster
from _tally import FAILED, LATENCY_MS, OK, UNJUDGED, VERDICT, Slice, WindowTally, joined
from _totals import Totals
from gevent.event import Event
from locust.exception import RPCError

logger = logging.getLogger(__name__)

PULSE_INTERVAL_S = 0.25
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


class Generator:
    """One process that makes load. ``runner`` is a WorkerRunner or a LocalRunner."""

    def __init__(self, runner: Any, recorder: Recorder, roster: Roster) -> None:
        self._runner = runner
        self._recorder = recorder
        self._roster = roster
        self._meter = CpuMeter()
        self._windows: dict[str, OpenWindow] = {}
        self._totals = Totals(float(runner.environment.parsed_options.good_within_s))
        self._open = OpenSummary()
        self._unfolded: list[Slice] = []
        self._recent: list[Slice] = []
        self._pulse_reading = self._meter.read()
        self._pulsed_s = recorder.cut_s
        self._ending = False

    def start(self) -> None:
        """Listen to the master and say hello."""
        self._runner.register_message("lab_ask", self._on_ask)
        self._runner.register_message("lab_open", self._on_open)
        self._runner.register_message("lab_close", self._on_close)
        self._send("lab_hello", self._identity())
        gevent.spawn(probe_lag, self._recorder)
        gevent.spawn(self._pulse)

    def flush(self) -> None:
        """Send whatever is there, because this process ends now."""
        self._ending = True
        self._fold()
        for window in list(self._windows.values()):
            self._finish(window, early=True)
        self._send("lab_bye", self._figures())

    def end_open_load(self, **_: Any) -> None:
        """Listener of test_stop: what an open load came to is logged, and the next one begins anew."""
        self._fold()
        self._open.tell()
        self._open = OpenSummary()

    @staticmethod
    def _identity() -> dict[str, Any]:
        """Who this worker is: in a cluster the host's name is the pod's, and every process id is 1."""
        return {"pid": os.getpid(), "name": socket.gethostname()}

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind, data)

    def _figures(self) -> dict[str, Any]:
        return {
            "users": self._runner.user_count,
            "books": self._recorder.books(),
            "totals": self._totals.message(self._recorder.outcomes.name_of),
        }

    def _on_ask(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        ask = msg.data
        self._fold()
        if ask["op"] == "reset" and not self._recorder.in_flight:
            self._recorder.reset_books()
            self._totals.good_within_s = ask["good_within_s"]
        if ask["op"] == "abandon":
            abandon(self._recorder.in_flight)
        answer = {"seq": ask["seq"], "clock_s": self._recorder.clock(), **self._figures()}
        self._send("lab_reply", answer)

    def _on_open(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        order = msg.data
        tally = WindowTally(order["opens_s"], order["closes_s"], order["good_within_s"])
        late_s = max(0.0, self._recorder.cut_s - tally.opens_s)
        window = OpenWindow(order["id"], tally, Event(), late_s)
        self._fold_windows()
        self._windows[window.id] = window
        gevent.spawn(self._attend, window)

    def _on_close(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        window = self._windows.get(msg.data["id"])
        if window is not None:
            nearer_s = max(msg.data["closes_s"], self._recorder.cut_s)
            window.tally.closes_s = min(window.tally.closes_s, nearer_s)
            window.nearer.set()

    def _attend(self, window: OpenWindow) -> None:
        clock, tally = self._recorder.clock, window.tally
        window.nearer.wait(max(0.0, tally.opens_s - clock()))
        window.at_open = self._meter.read()
        while (left_s := tally.closes_s - clock()) > 0:
            window.nearer.clear()
            window.nearer.wait(left_s)
        for _ in range(READ_ROUNDS):
            gevent.sleep(READ_ROUND_S)
        self._fold()
        if self._recorder.awaits_verdict(tally.opens_s, tally.closes_s):
            gevent.sleep(LATE_VERDICT_S)
        if window.id in self._windows:
            self._finish(window, early=False)

    def _finish(self, window: OpenWindow, *, early: bool) -> None:
        recorder, tally = self._recorder, window.tally
        ended_s = min(tally.closes_s, recorder.clock())
        unjudged = recorder.give_up_unjudged(tally.opens_s, ended_s)
        self._fold()
        self._fold_windows()
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
        piece = self._recorder.cut()
        self._totals.fold(piece)
        self._open.fold(piece)
        self._recent.append(piece)
        if self._windows:
            self._unfolded.append(piece)
            if len(self._unfolded) > MOST_PIECES or sum(len(one.rows) for one in self._unfolded) > MOST_ROWS:
                self._fold_windows()

    def _fold_windows(self) -> None:
        if self._unfolded:
            piece = joined(self._unfolded)
            self._unfolded.clear()
            for window in self._windows.values():
                window.tally.fold(piece)

    def _pulse(self) -> None:
        """Tell the master every quarter of a second what goes on; silence tells it that this process is gone."""
        while not self._ending:
            self._fold()
            gevent.sleep(0)
            try:
                self._send("lab_pulse", self._recently())
            except RPCError as error:
                logger.warning("The lab's pulse did not reach the master: %s", error)
            gevent.sleep(PULSE_INTERVAL_S)

    def _recently(self) -> dict[str, Any]:
        recent = joined(self._recent)
        self._recent.clear()
        ended = recent.rows[recent.rows[:, VERDICT] != UNJUDGED]
        since_s, self._pulsed_s = self._pulsed_s, recent.hi_s
        before, self._pulse_reading = self._pulse_reading, self._meter.read()
        return {
            **self._identity(),
            "span_s": self._pulsed_s - since_s,
            "users": self._runner.user_count,
            "in_flight": len(self._recorder.in_flight),
            "ended": len(ended),
            "failed": int((ended[:, VERDICT] == FAILED).sum()),
            "latencies": sparse_of(ended[ended[:, VERDICT] == OK, LATENCY_MS] / 1e3),
            "lags": sparse_of(recent.lags[:, 1]),
            "health": self._meter.between(before, self._pulse_reading),
            "throttled_total_s": self._pulse_reading.throttled_s,
            "totals": self._totals.message(self._recorder.outcomes.name_of),
        }
