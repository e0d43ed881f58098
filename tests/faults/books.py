"""What the books of a faulty run say, of the windows that count and of those that do not, and what none can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from loadlab.execute.bundle_file import read_record
from loadlab.model.run import Window


def books_of(windows: Sequence[Window]) -> Mapping[str, int]:
    """Windows, requests sent in them, and requests lost, whether a gate refused the window or not.

    unbooked: windows of which nobody could add up the books, as where what was to be counted had fallen.
    """
    return {
        "windows": len(windows),
        "unbooked": sum(window.books is None for window in windows),
        "requests": sum(window.books.sent for window in windows if window.books),
        "lost": sum(lost_in(window) for window in windows),
    }


def windows_on_disk(bundle: Path) -> list[Window]:
    """Every window of a bundle, those of attempts that were struck and made again included."""
    paths = sorted((bundle / "windows").glob("b*.json"))
    return [read_record(path, Window) for path in paths]


ANSWER_S = 0.05
"""What the upstream of the faults' experiment takes: no answer comes sooner."""
EARLY_S = 0.001
"""A timer of a millisecond's grain may ring so much too early."""
SLOTS = {"flask": 4}
"""Requests that a stack of that experiment has under way at most, beside its users."""


def impossible_in(window: Window) -> str | None:
    """Why no run of the faults' experiment can have measured this; None where one can.

    No answer is quicker than the upstream, whatever fell and whichever clock was moved, and so many users, or slots,
    get so many answers in a window at most.
    """
    load, least_s = window.load, ANSWER_S - EARLY_S
    if not load.ok or load.failed:
        return None
    mean_s = load.latency_sum_s / load.ok
    if mean_s < least_s:
        return f"answers took {mean_s:.4f} s on average, the upstream takes {ANSWER_S:g} s"
    most = min(window.users, SLOTS.get(window.stack, window.users)) * (load.measure_s / least_s + 1)
    return f"{load.ok} answers in {load.measure_s:g} s, at most {most:.0f} can be" if load.ok > most else None


def lost_in(window: Window) -> int:
    """Requests of a trial that one book has and another has not; of a window without books, none that is known.

    What was sent was answered, failed, or abandoned by a worker that quit, whatever fell. What a service or the
    upstream counted ends with it: it is compared where nothing has befallen the window, by its own notes. There it has
    all that was answered, and of what failed or was abandoned some or none: a stack that is ending refuses connections,
    and a worker process that is killed takes the count of what it had under way with it.
    """
    books = window.books
    if books is None:
        return 0
    settled = books.answered + books.failed
    lost = abs(books.sent - settled - books.abandoned)
    counts = () if window.notes else (books.served, books.upstream_arrivals)
    return max([lost, *(max(books.answered - count, count - books.sent) for count in counts if count is not None)])
