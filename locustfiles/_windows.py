"""The master's measurement windows: opened and closed by time on every worker, merged when all parts are there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from _exporter import Opened
from _fleet import Fleet, Worker
from _merge import Part, merge_parts, notes_of
from _refusal import Refusal

KEPT_WINDOWS = 64
PART_TIMEOUT_S = 10.0
CLOSE_LEAD_S = 0.1
"""A window closed early ends a little in the future, so that the order arrives before it takes effect."""
CLOCK_TOLERANCE_S = 0.005
OPENED_S = 20.0


@dataclass(slots=True)
class MasterWindow:
    """One window on the master's clock. ``result`` is set once, when it is complete or partial."""

    id: str
    opens_s: float
    closes_s: float
    opens_unix_s: float
    good_within_s: float
    workers_expected: int
    crew: frozenset[str]
    """The workers that were there when its trial began; without a trial, when it was ordered."""
    stack: str = ""
    users: str = ""
    joined_late_s: dict[str, float] = field(default_factory=dict)
    ordered: set[str] = field(default_factory=set)
    parts: dict[str, Part] = field(default_factory=dict)
    result: dict[str, Any] | None = None

    @property
    def measure_s(self) -> float:
        """Its length as far as known."""
        return self.closes_s - self.opens_s

    def times(self) -> dict[str, Any]:
        """What the engine is told about when it is."""
        return {
            "id": self.id,
            "opens_at_unix_s": self.opens_unix_s,
            "closes_at_unix_s": self.opens_unix_s + self.measure_s,
        }


class Windows:
    """All windows of this master, the last 64 of them."""

    def __init__(self, runner: Any, fleet: Fleet) -> None:
        self._fleet = fleet
        self._windows: dict[str, MasterWindow] = {}
        runner.register_message("lab_part", self._on_part)

    @property
    def open_stack(self) -> str | None:
        """The stack whose window is open now, "" for one that nobody named; None when no window is open."""
        now_s = perf_counter()
        return next((w.stack for w in self._windows.values() if w.opens_s <= now_s < w.closes_s), None)

    @property
    def opened(self) -> list[Opened]:
        """Those that opened lately: four scrapes see each, though a window is over before the first."""
        now_s = perf_counter()
        lately = (w for w in self._windows.values() if 0 <= now_s - w.opens_s < OPENED_S)
        return [Opened(w.id, w.opens_unix_s, w.stack, w.users) for w in lately]

    def open(
        self,
        window_id: str,
        opens_in_s: float,
        measure_s: float,
        good_within_s: float,
        crew: frozenset[str] = frozenset(),
        *,
        stack: str = "",
        users: str = "",
    ) -> dict[str, Any]:
        """Order a window from every living worker.

        crew: those that were there when its trial began; stack, users: what the engine says that it measures.
        """
        if window_id in self._windows:
            raise Refusal(409, f"window {window_id!r} exists already; choose another id")
        if not self._fleet.living:
            raise Refusal(409, "no worker is connected; start one, then open the window")
        opens_s = perf_counter() + opens_in_s
        window = MasterWindow(
            id=window_id,
            opens_s=opens_s,
            closes_s=opens_s + measure_s,
            opens_unix_s=time.time() + opens_in_s,
            good_within_s=good_within_s,
            workers_expected=self._fleet.expected,
            crew=crew or frozenset(worker.id for worker in self._fleet.living),
            stack=stack,
            users=users,
        )
        self._windows[window_id] = window
        for worker in self._fleet.living:
            self._order(window, worker)
        while len(self._windows) > KEPT_WINDOWS:
            del self._windows[next(iter(self._windows))]
        return window.times()

    def close(self, window_id: str) -> dict[str, Any]:
        """Close a window early; in the state that it then has."""
        window = self._find(window_id)
        closes_s = max(perf_counter() + CLOSE_LEAD_S, window.opens_s)
        if window.result is None and closes_s < window.closes_s:
            window.closes_s = closes_s
            for worker in self._fleet.living:
                if worker.id in window.ordered:
                    order = {"id": window.id, "closes_s": closes_s + worker.offset_s}
                    self._fleet.send(worker, "lab_close", order)
        return self.get(window_id)

    def get(self, window_id: str) -> dict[str, Any]:
        """The state of a window, with all its figures once it is complete or partial."""
        window = self._find(window_id)
        self._settle(window)
        if window.result is not None:
            return window.result
        now_s = perf_counter()
        state = "pending" if now_s < window.opens_s else "open" if now_s < window.closes_s else "closed"
        return {**window.times(), "state": state}

    def greet(self, worker: Worker) -> None:
        """A worker joined: it takes part in the windows that are not over yet."""
        now_s = perf_counter()
        for window in self._windows.values():
            is_over = window.result is not None or now_s >= window.closes_s
            if not is_over and worker.id not in window.ordered:
                if now_s > window.opens_s:
                    window.joined_late_s[worker.id] = now_s - window.opens_s
                self._order(window, worker)

    def _find(self, window_id: str) -> MasterWindow:
        window = self._windows.get(window_id)
        if window is None:
            raise Refusal(404, f"window {window_id!r} is not known; the last {KEPT_WINDOWS} are kept")
        return window

    def _order(self, window: MasterWindow, worker: Worker) -> None:
        order = {
            "id": window.id,
            "opens_s": window.opens_s + worker.offset_s,
            "closes_s": window.closes_s + worker.offset_s,
            "good_within_s": window.good_within_s,
        }
        window.ordered.add(worker.id)
        self._fleet.send(worker, "lab_open", order)

    def _on_part(self, environment: Any, msg: Any) -> None:  # noqa: ARG002
        window = self._windows.get(msg.data["id"])
        if window is not None and window.result is None:
            window.parts[msg.node_id] = msg.data

    def _settle(self, window: MasterWindow) -> None:
        """Decide once: complete when every part is there, partial when a missing one cannot come any more."""
        if window.result is not None or perf_counter() < window.closes_s:
            return
        living = {worker.id for worker in self._fleet.living}
        missing = window.ordered - window.parts.keys()
        overdue = perf_counter() > window.closes_s + PART_TIMEOUT_S
        if any(worker_id in living for worker_id in missing) and not overdue:
            return
        holes = self._holes(window, missing)
        parts = list(window.parts.values())
        figures = merge_parts(parts, window.measure_s)
        figures["health"]["workers_expected"] = window.workers_expected
        window.result = {
            **window.times(),
            "state": "partial" if holes else "complete",
            "holes": holes,
            "notes": [note for key, part in window.parts.items() for note in notes_of(part, self._label(key))],
            "opened_unix_s": window.opens_unix_s,
            "measure_s": window.measure_s,
            "workers_from_first_to_last": self._from_first_to_last(window),
            **figures,
        }
        window.parts = {}

    def _from_first_to_last(self, window: MasterWindow) -> list[str]:
        """Names of the workers that were there from the trial's beginning to the window's end."""
        lasting = [key for key in window.crew if key in window.parts and not window.parts[key]["early"]]
        return sorted(self._fleet.workers[key].name for key in lasting)

    def _label(self, worker_id: str) -> str:
        return self._fleet.workers[worker_id].label

    def _holes(self, window: MasterWindow, missing: set[str]) -> list[str]:
        holes = [self._missing(worker_id) for worker_id in sorted(missing)]
        for worker_id, part in window.parts.items():
            holes += self._flaws(window, worker_id, part)
            if worker_id not in window.crew and worker_id not in window.joined_late_s:
                holes.append(f"{self._label(worker_id)} joined after the trial had begun")
        for worker_id in sorted(window.crew - window.ordered):
            why = self._fleet.workers[worker_id].gone or "was gone"
            holes.append(f"{self._label(worker_id)} {why} before the window was ordered; its users left with it")
        if len(window.ordered) < window.workers_expected:
            holes.append(
                f"{len(window.ordered)} of {window.workers_expected} expected workers were there when the window"
                " was opened"
            )
        return holes

    def _missing(self, worker_id: str) -> str:
        why = self._fleet.workers[worker_id].gone or f"sent no part within {PART_TIMEOUT_S:g} s of the close"
        return f"{self._label(worker_id)} {why}; what it measured in this window is unknown"

    def _flaws(self, window: MasterWindow, worker_id: str, part: Part) -> list[str]:
        label, flaws = self._label(worker_id), []
        joined_late_s = window.joined_late_s.get(worker_id, 0.0)
        if joined_late_s:
            flaws.append(f"{label} joined {joined_late_s:.3f} s after the window had opened")
        elif part["late_s"]:
            flaws.append(f"{label} learnt of the window {part['late_s']:.3f} s after it had opened")
        measure_s = window.closes_s - window.opens_s
        if part["measure_s"] > measure_s + CLOCK_TOLERANCE_S:
            flaws.append(
                f"{label} went on counting for {part['measure_s']:.3f} s, the window was {measure_s:.3f} s long"
            )
        if part["early"]:
            flaws.append(f"{label} quit {part['ended_s']:.3f} s after the opening; its part ends there")
        error_s = self._fleet.workers[worker_id].offset_error_s
        if error_s is None or error_s > CLOCK_TOLERANCE_S:
            known = "not known" if error_s is None else f"known within {error_s:.4f} s only"
            flaws.append(f"the clock of {label} is {known}, so its part may be shifted")
        return flaws
