"""report.md: the same story, short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from loadlab.report.cells import Cell, Table
from loadlab.report.lists import Item
from loadlab.report.rates import report_view
from loadlab.report.results import Results
from loadlab.report.view import ReportView
from loadlab.units import ABSENT

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render_markdown(results: Results) -> str:
    """The short report of parsed results.json; the same results give the same bytes."""
    return "\n".join(_lines(report_view(results)))


def escape(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(data: Table) -> Iterator[str]:
    """A pipe table with its caption above and the reasons for absent entries below."""
    yield f"**{escape(data.caption)}**"
    yield ""
    yield f"| {' | '.join(escape(column.title) for column in data.columns)} |"
    yield f"|{'|'.join('---:' if column.figure else '---' for column in data.columns)}|"
    for row in data.rows:
        yield f"| {' | '.join(_entry(cell) for cell in row)} |"
    if data.reasons:
        yield ""
        yield f"{ABSENT} means absent, never zero: {escape('; '.join(data.reasons))}."
    yield ""


def _entry(cell: Cell) -> str:
    return escape(cell.text if cell.detail in (None, ABSENT) else f"{cell.text} ({cell.detail})")


def _lines(view: ReportView) -> Iterator[str]:
    yield f"# {view.badge.sign} {view.badge.word}: {escape(view.question)}"
    yield ""
    yield f"{escape(view.answer)}"
    yield ""
    for name, line in (("Settings", view.settings_line), ("Doubts", view.doubts_line)):
        if line:
            yield f"{name}: {escape(line)}."
            yield ""
    yield "| | | |"
    yield "|---|---|---|"
    for tile in view.key_figures:
        yield f"| {escape(tile.term)} | **{escape(tile.value)}** | {escape(tile.detail)} |"
    yield ""
    yield f"Calibration: {escape(view.calibration)}. Run {escape(view.run_id)}, {view.made}."
    yield ""
    yield "## Evidence"
    yield ""
    yield from _answer(view)
    yield from _prices(view)
    yield "## Why"
    yield ""
    yield from (f"- {escape(sentence)}" for sentence in view.explanation)
    yield ""
    yield escape(view.loop_note)
    yield ""
    for one in (*view.arrivals, view.levels):
        yield from table(one)
    yield from table(view.demands)
    yield from _items("Prediction against measurement", view.prediction)
    yield from _items("Control and resolution", view.control)
    yield from _cluster(view)
    yield "## Doubts"
    yield ""
    yield from _doubts(view)
    yield from _items("How the windows fared", view.counts)
    yield "## Run it again"
    yield ""
    yield from (f"    {' '.join(command.split())}" for command in view.reproduce)
    yield ""


def _cluster(view: ReportView) -> Iterator[str]:
    if not view.cluster_lines:
        return
    yield "## On Kubernetes"
    yield ""
    yield "How this differs from a run on pinned processes:"
    yield ""
    yield from (f"- {escape(line)}" for line in view.cluster_lines)
    yield ""
    for part in view.cluster:
        yield from table(part)


def _answer(view: ReportView) -> Iterator[str]:
    if view.decisive.rows:
        yield from table(view.decisive)
    if view.figures.hero_note:
        yield f"> {escape(view.figures.hero_note)}"
        yield ""


def _prices(view: ReportView) -> Iterator[str]:
    if view.brackets.rows:
        yield from table(view.brackets)
    if view.prices.rows:
        yield from table(view.prices)
    lines = [f"- {escape(line.name)}: {escape(line.answer)}" for line in view.lines]
    lines += [f"- {escape(line)}" for line in view.absent_curves]
    if lines:
        yield "**Other curves out of the same windows**"
        yield ""
        yield from lines
        yield ""


def _items(title: str, items: Iterable[Item]) -> Iterator[str]:
    yield f"**{title}**"
    yield ""
    for item in items:
        aside = "".join(f" ({escape(text)})" for text in (item.cell.reason, item.cell.detail) if text)
        yield f"- {escape(item.term)}: {escape(item.cell.text)}{aside}"
    yield ""


def _doubts(view: ReportView) -> Iterator[str]:
    if not view.doubts:
        yield "No finding was made."
    for group in view.doubts:
        yield f"**{group.title} ({group.tally})**"
        yield ""
        for doubt in group.doubts:
            expected = f"; expected {escape(doubt.expected)}" if doubt.expected else ""
            step = f" Next: {escape(doubt.next_step)}." if doubt.next_step else ""
            tally = f" ({doubt.tally})" if doubt.tally else ""
            places = doubt.first_places if len(doubt.places) > 1 else doubt.places[0]
            yield f"- {escape(doubt.code)}{tally}: {escape(doubt.message)}{expected}.{step} ({escape(places)})"
        yield ""
    yield ""
