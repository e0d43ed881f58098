"""The live panel of a run on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadlab.model.result import WindowSummary
from loadlab.report.pace import Monotonic, Pace
from loadlab.report.window_text import window_text
from loadlab.units import ABSENT, format_count, format_rps, format_s


class PanelProgress:
    """What is running, which window of how many, live load and latencies, and the time left.

    Time comes from ``monotonic`` (seconds). The display begins with ``run_started`` or the first ``stage``
    and ends with ``finished``.
    """

    def __init__(self, console: Console, monotonic: Monotonic) -> None:
        self._console = console
        self._pace = Pace(monotonic)
        self._live: Live | None = None
        self._closed = False
        self._stage = "starting"
        self._label = ""
        self._index = 0
        self._invalid = 0
        self._load: tuple[str, float, float | None, float | None] | None = None
        self._last = ""

    def run_bounded(self, windows: int, least_s: float) -> None:
        """Open the display with the least that is to come."""
        self._pace.bound(windows, least_s)
        self._show()

    def run_started(self, expected_s: Sequence[float]) -> None:
        """Show the plan."""
        self._pace.plan(expected_s)
        self._show()

    def stage(self, text: str) -> None:
        """Name what is going on."""
        self._stage = text
        self._load = None
        self._show()

    def window_started(self, index: int, total: int, trial_label: str) -> None:
        """Move to a window."""
        self._index, self._label = index, trial_label
        self._pace.expect(total)
        self._stage, self._load = "measuring", None
        self._show()

    def windows_expected(self, total: int) -> None:
        """Count repeats that are owed into the time left."""
        self._pace.expect(total)

    def tick(self, there: str, rps: float, p50_s: float | None, p99_s: float | None) -> None:
        """Show the load of the last seconds."""
        self._load = (there, rps, p50_s, p99_s)
        self._show()

    def window_finished(self, label: str, window: WindowSummary) -> None:
        """Show what the window measured; an invalid one stays readable above the display."""
        self._pace.window_done()
        self._last = f"{label}: {window_text(window)}"
        self._load = None
        if not window.valid:
            self._invalid += 1
            self._console.print(Text(self._last, style="yellow"))
        self._show()

    def message(self, text: str) -> None:
        """Print above the display."""
        self._console.print(Text(text))

    def finished(self) -> None:
        """Take the display away and give the terminal back; what comes later is not shown."""
        self._closed = True
        if self._live is not None:
            self._live.stop()
            self._live = None

    def render(self) -> RenderableType:
        """The display as it stands."""
        head = Table.grid(padding=(0, 2))
        window = f"window {self._index} of {self._pace.total}" if self._index else "preparing"
        head.add_row(Text(window, style="bold"), Text(self._label, style="cyan"), Text(self._stage, style="dim"))
        left = Text(self._pace.left_text())
        if self._invalid:
            left.append(f" {format_count(self._invalid)} invalid", style="yellow")
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(total=max(1, self._pace.total), completed=self._pace.done, width=40), left)
        last = [Text(f"last {self._last}", style="dim")] if self._last else []
        return Group(head, Text(self._load_text()), *last, bar)

    def _load_text(self) -> str:
        if self._load is None:
            return f"live {ABSENT}  {ABSENT}  p50 {ABSENT}  p99 {ABSENT}"
        there, rps, p50_s, p99_s = self._load
        return f"live {there}  {format_rps(rps)}  p50 {format_s(p50_s)}  p99 {format_s(p99_s)}"

    def _show(self) -> None:
        if self._closed:
            return
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(self.render(), refresh=True)
