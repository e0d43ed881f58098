"""Tables as data: formatted cells that every renderer lays out in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadlab.report.results import Results
from loadlab.report.words import NO_ESTIMATE, NO_INTERVAL, range_text
from loadlab.units import ABSENT


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One formatted entry. ``reason`` says why an absent one is absent; ``figure`` aligns it as a number."""

    text: str
    reason: str | None = None
    figure: bool = True
    detail: str | None = None
    """A second, smaller line: the interval under its estimate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column's heading; figures are aligned to the right."""

    title: str
    figure: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A captioned table; every row has as many cells as there are columns."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why entries of this table are absent, each reason once, in order of appearance."""
        found = (cell.reason for row in self.rows for cell in row if cell.reason)
        return tuple(dict.fromkeys(found))


def words(text: str | None) -> Cell:
    """A cell of text, aligned to the left."""
    return Cell(text=text or "", figure=False)


def figure(text: str, reason: str | None = None, detail: str | None = None) -> Cell:
    """A formatted number; ``reason`` is kept only where the number is absent."""
    return Cell(text=text, reason=reason if text == ABSENT else None, detail=detail)


def estimate(record: Results | None, show: Callable[[float | None], str], reason: str = NO_ESTIMATE) -> Cell:
    """An estimate with its interval below, each formatted by ``show``."""
    if record is None:
        return figure(ABSENT, reason)
    interval = record["interval"]
    if interval is None:
        return Cell(text=show(record["value"]), detail=NO_INTERVAL)
    return Cell(text=show(record["value"]), detail=range_text(show(interval["lower"]), show(interval["upper"])))


def columns(*titles: str) -> tuple[Column, ...]:
    """Columns from headings; a heading that starts with ``'`` is a column of text."""
    return tuple(Column(title=title.removeprefix("'"), figure=not title.startswith("'")) for title in titles)
