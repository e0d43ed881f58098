"""What people see while a run works: a live panel on a terminal, one line for each window elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Protocol

from rich.console import Console

from loadlab.report.live_panel import PanelProgress
from loadlab.report.pace import Monotonic, Pace
from loadlab.units import format_rps, format_s


class Progress(Protocol):
    """What a run tells about itself; every call returns at once and raises nothing."""

    def run_started(self, plan_windows: int, estimated_s: float) -> None:
        """The plan is drawn: so many windows, about so long."""

    def stage(self, text: str) -> None:
        """Something other than a window begins, such as starting the stacks."""

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        """Window ``index`` (from 1) of ``total`` begins; ``total`` grows with repeats."""

    def windows_expected(self, total: int) -> None:
        """So many windows there will be, now that repeats are known to be owed."""

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """The load of the last seconds; there: users that run, or of an open load requests in flight, with the word."""

    def window_finished(self, label: str, valid: bool, reasons: Sequence[str]) -> None:
        """A window is in the bundle; ``reasons`` are the codes of the gates it failed."""

    def message(self, text: str) -> None:
        """Something that stays readable above the display."""

    def finished(self) -> None:
        """Nothing more will come; the terminal is given back. Safe to call twice."""


class PlainProgress:
    """One line for each window and message: for logs and pipes. Time comes from ``monotonic`` (seconds)."""

    def __init__(self, stream: IO[str], monotonic: Monotonic) -> None:
        self._stream = stream
        self._pace = Pace(monotonic)
        self._place = ""
        self._load = ""

    def run_started(self, plan_windows: int, estimated_s: float) -> None:
        """Say what is coming."""
        self._pace.plan(plan_windows, estimated_s)
        self._write(f"{plan_windows} windows, about {format_s(estimated_s)}")

    def stage(self, text: str) -> None:
        """Say what begins."""
        self._write(text)

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        """Remember the place; the line comes when the window is over."""
        self._pace.total = total
        self._place = f"window {index}/{total} {trial_label}"
        self._load = ""

    def windows_expected(self, total: int) -> None:
        """Count repeats that are owed into the time left."""
        self._pace.total = total

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """Remember the latest load for the line of this window."""
        seen = "" if there in self._place else f"{there}, "
        self._load = f": {seen}{format_rps(rps)}, p50 {format_s(p50_s)}, p99 {format_s(p99_s)}"

    def window_finished(self, label: str, valid: bool, reasons: Sequence[str]) -> None:
        """Write the line of this window."""
        outcome = "valid" if valid else f"INVALID ({', '.join(reasons)})"
        self._pace.done += 1
        self._write(f"{self._place or f'window {label}'}{self._load}; {outcome}{self._left()}")

    def message(self, text: str) -> None:
        """Write the message."""
        self._write(text)

    def finished(self) -> None:
        """Leave the stream as it is."""
        self._stream.flush()

    def _left(self) -> str:
        left_s = self._pace.left_s()
        return f"; about {format_s(float(round(left_s)))} left" if left_s else ""

    def _write(self, text: str) -> None:
        elapsed_s = int(self._pace.elapsed_s)
        self._stream.write(f"[{elapsed_s // 60:02d}:{elapsed_s % 60:02d}] {text}\n")
        self._stream.flush()


def progress_for(console: Console, monotonic: Monotonic) -> Progress:
    """The live panel where ``console`` is a terminal, plain lines where it is not."""
    if console.is_terminal:
        return PanelProgress(console, monotonic)
    return PlainProgress(console.file, monotonic)
