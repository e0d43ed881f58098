"""What the books of a faulty run say, of the windows that count and of those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadlab.model.run import Window


def books_of(windows: Sequence[Window]) -> Mapping[str, int]:
    """Windows, requests sent in them, and requests lost, whether a gate refused the window or not."""
    return {
        "windows": len(windows),
        "requests": sum(window.books.sent for window in windows if window.books),
        "lost": sum(lost_in(window) for window in windows),
    }


def lost_in(window: Window) -> int:
    """Requests of a trial that one book has and another has not; of a window without books, none that is known.

    What was sent was answered, failed, or abandoned by a worker that quit, whatever fell. What a service or the
    upstream counted ends with it: it is compared where nothing has befallen the window, by its own notes, and may have
    some of what was abandoned, or none.
    """
    books = window.books
    if books is None:
        return 0
    settled = books.answered + books.failed
    lost = abs(books.sent - settled - books.abandoned)
    counts = () if window.notes else (books.served, books.upstream_arrivals)
    return max([lost, *(max(settled - count, count - books.sent) for count in counts if count is not None)])
