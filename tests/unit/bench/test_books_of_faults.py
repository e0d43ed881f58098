"""Requests lost by the books of a faulty run: what counts, in which windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders import make_load_window, make_window
from faults.books import books_of, impossible_in, lost_in, windows_on_disk
from loadlab.execute.clock import SystemClock
from loadlab.execute.store import BundleStore
from loadlab.model.run import TrialBooks

EVEN = TrialBooks(sent=10, answered=9, failed=1, served=10, upstream_arrivals=10)
FELL = ("pool was killed by SIGKILL; its log is empty",)


@pytest.mark.parametrize(
    ("books", "notes", "lost"),
    [
        (EVEN, (), 0),
        (None, (), 0),
        (replace(EVEN, answered=7), (), 2),
        (replace(EVEN, answered=7), FELL, 2),
        (replace(EVEN, served=6), (), 3),
        (replace(EVEN, answered=2, failed=8, served=2), (), 0),
        (replace(EVEN, answered=2, failed=8, served=1), (), 1),
        (replace(EVEN, upstream_arrivals=13), (), 3),
        (replace(EVEN, served=6, upstream_arrivals=13), FELL, 0),
        (replace(EVEN, served=None, upstream_arrivals=None), (), 0),
        (replace(EVEN, answered=7, abandoned=2), (), 0),
        (replace(EVEN, answered=7, abandoned=1), (), 1),
        (replace(EVEN, answered=9, abandoned=1), (), 1),
        (replace(EVEN, answered=7, abandoned=2, served=8, upstream_arrivals=9), (), 0),
        (replace(EVEN, answered=7, abandoned=2, served=7, upstream_arrivals=11), (), 1),
        (replace(EVEN, answered=7, abandoned=2, served=5, upstream_arrivals=10), (), 2),
        (replace(EVEN, answered=7, abandoned=2, served=5, upstream_arrivals=12), FELL, 0),
    ],
)
def test_what_was_sent_is_settled_or_abandoned_always_and_what_was_answered_was_served_where_nothing_fell(
    books: TrialBooks | None, notes: tuple[str, ...], lost: int
) -> None:
    assert lost_in(replace(make_window(), books=books, notes=notes)) == lost


def test_books_hold_every_window_there_is() -> None:
    windows = [replace(make_window(), books=books) for books in (EVEN, None, replace(EVEN, answered=8))]
    assert books_of(windows) == {"windows": 3, "unbooked": 1, "requests": 20, "lost": 1}


def test_windows_of_attempts_that_were_made_again_are_read_too(tmp_path: Path) -> None:
    windows = [replace(make_window(), id=name, books=EVEN) for name in ("b01-008-flask", "b01-008-flask-t2")]
    with BundleStore(tmp_path, SystemClock()) as store:
        for window in windows:
            store.put_window(window, "")
    (tmp_path / "windows" / "demand-flask.json").write_text("{}")
    assert {window.id for window in windows_on_disk(tmp_path)} == {window.id for window in windows}


@pytest.mark.parametrize(
    ("stack", "ok", "latency_s", "failed", "says"),
    [
        ("fastapi", 160, 0.05, 0, None),
        ("fastapi", 160, 0.04, 0, "answers took 0.0400 s on average, the upstream takes 0.05 s"),
        ("fastapi", 200, 0.05, 0, "200 answers in 1 s, at most 171 can be"),
        ("flask", 80, 0.1, 0, None),
        ("flask", 100, 0.1, 0, "100 answers in 1 s, at most 86 can be"),
        ("flask", 100, 0.01, 1, None),
    ],
)
def test_no_window_has_answers_that_came_before_their_upstream_answered(
    stack: str, ok: int, latency_s: float, failed: int, says: str | None
) -> None:
    """One with failed requests may have quick ones."""
    load = make_load_window(ok=ok, latency_s=latency_s, failed=failed)
    assert impossible_in(replace(make_window(), stack=stack, users=8, load=load)) == says
