"""What people see while a run works: a live panel on a terminal, one line for each window elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Protocol

from rich.console import Console

from loadlab.model.result import WindowSummary
from loadlab.report.live_panel import PanelProgress
from loadlab.report.pace import Monotonic, Pace
from loadlab.report.window_text import window_text
from loadlab.units import format_s


class Progress(Protocol):
    """What a run tells about itself; every call returns at once and raises nothing."""

    def run_bounded(self, windows: int, least_s: float) -> None:
        """The run begins: so many windows to come, and no less time for them."""

    def run_started(self, expected_s: Sequence[float]) -> None:
        """The plan is drawn: how long each window is expected to take, the start of its block included."""

    def stage(self, text: str) -> None:
        """Something other than a window begins, such as starting the stacks."""

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        """Window ``index`` (from 1) of ``total`` begins; ``total`` grows with repeats."""

    def windows_expected(self, total: int) -> None:
        """So many windows there will be, now that repeats are known to be owed."""

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """The live load of the last seconds, which may hold warm-up and drain and is no window's own.

        there: users that run, or of an open load requests in flight, with the word.
        """

    def window_finished(self, label: str, window: WindowSummary) -> None:
        """A window is in the bundle; what it measured is what the report will show of it."""

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

    def run_bounded(self, windows: int, least_s: float) -> None:
        """Say what is coming at least."""
        self._pace.bound(windows, least_s)
        self._write(f"{windows} windows, at least {format_s(least_s)}")

    def run_started(self, expected_s: Sequence[float]) -> None:
        """Say what is coming."""
        self._pace.plan(expected_s)
        self._write(f"{len(expected_s)} windows, about {format_s(sum(expected_s))}")

    def stage(self, text: str) -> None:
        """Say what begins."""
        self._write(text)

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        """Remember the place; the line comes when the window is over."""
        self._pace.expect(total)
        self._place = f"window {index}/{total} {trial_label}"

    def windows_expected(self, total: int) -> None:
        """Count repeats that are owed into the time left."""
        self._pace.expect(total)

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """Live figures are for terminals: a line that stays has those of its window."""

    def window_finished(self, label: str, window: WindowSummary) -> None:
        """Write the line of this window."""
        self._pace.window_done()
        left = self._pace.left_text()
        self._write(f"{self._place or f'window {label}'}: {window_text(window)}{left and f'; {left}'}")

    def message(self, text: str) -> None:
        """Write the message."""
        self._write(text)

    def finished(self) -> None:
        """Leave the stream as it is."""
        self._stream.flush()

    def _write(self, text: str) -> None:
        elapsed_s = int(self._pace.elapsed_s)
        self._stream.write(f"[{elapsed_s // 60:02d}:{elapsed_s % 60:02d}] {text}\n")
        self._stream.flush()


def progress_for(console: Console, monotonic: Monotonic) -> Progress:
    """The live panel where ``console`` is a terminal, plain lines where it is not."""
    if console.is_terminal:
        return PanelProgress(console, monotonic)
    return PlainProgress(console.file, monotonic)
