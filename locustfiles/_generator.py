"""The worker's side: obeys the master's messages, keeps the windows that are open, sends their parts.

The same code serves a plain `locust` process, whose runner hands messages from one side to the other.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import gevent
from _abandon import abandon
from _health import CpuMeter, probe_lag
from _histogram import sparse_of
from _open_summary import OpenSummary
from _open_windows import OpenWindows
from _recorder import Recorder
from _roster import Roster
from _tally import FAILED, LATENCY_MS, OK, UNJUDGED, VERDICT, Slice, joined
from _totals import Totals
from locust.exception import RPCError, RPCSendError

logger = logging.getLogger(__name__)

PULSE_INTERVAL_S = 0.25


class Generator:
    """One process that makes load. ``runner`` is a WorkerRunner or a LocalRunner."""

    def __init__(self, runner: Any, recorder: Recorder, roster: Roster) -> None:
        self._runner = runner
        self._recorder = recorder
        self._meter = CpuMeter()
        self._windows = OpenWindows(recorder, roster, self._meter, send=self._send, cut=self._fold)
        self._totals = Totals(float(runner.environment.parsed_options.good_within_s))
        self._open = OpenSummary()
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
        self._windows.end()
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
        """What cannot be sent is missing at the master, which says so; whoever sends has to go on."""
        try:
            self._runner.send_message(kind, data)
        except (RPCError, RPCSendError) as error:
            logger.warning("The lab's %s did not reach the master: %s", kind, error)

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
        self._windows.open(msg.data)

    def _on_close(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        self._windows.close(msg.data["id"], msg.data["closes_s"])

    def _fold(self) -> None:
        piece = self._recorder.cut()
        self._totals.fold(piece)
        self._open.fold(piece)
        self._recent.append(piece)
        self._windows.take(piece)

    def _pulse(self) -> None:
        """Tell the master every quarter of a second what goes on; silence tells it that this process is gone."""
        while not self._ending:
            self._fold()
            gevent.sleep(0)
            if not self._ending:
                self._send("lab_pulse", self._recently())
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
