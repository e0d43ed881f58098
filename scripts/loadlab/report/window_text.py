"""What one finished window measured, in a line for whoever watches the run."""

from __future__ import annotations

from loadlab.model.result import WindowSummary
from loadlab.units import format_rps, format_s


def window_text(window: WindowSummary) -> str:
    """Its good throughput, its latencies, and the gates that it failed: the figures that results.json will hold."""
    outcome = "valid" if window.valid else f"INVALID ({', '.join(window.reasons)})"
    return f"{format_rps(window.goodput_rps)} good, p50 {format_s(window.p50_s)}, {_slowest(window)}; {outcome}"


def _slowest(window: WindowSummary) -> str:
    """The p95 where a window has too few requests for a p99."""
    return f"p95 {format_s(window.p95_s)}" if window.p99_s is None else f"p99 {format_s(window.p99_s)}"
