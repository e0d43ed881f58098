"""What the terminal shows at the end of a run: verdict, the declared curve, other lists, cause, doubts."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from loadlab.report.cells import Cell, Table
from loadlab.report.doubts import Doubt
from loadlab.report.rates import report_view
from loadlab.report.results import Results
from loadlab.report.view import ReportView
from loadlab.report.words import STATISTICS, Badge, price_text
from loadlab.units import ABSENT

_STYLES = {"found": "bold yellow", "quiet": "bold cyan", "doubt": "bold magenta", "bad": "bold red"}
_TILES_ELSEWHERE = ("Threshold N*", "Ratio at", "Claim:")
"""Key figures that the verdict and the table say already."""
_REQUEST_COST = "cost_per_million_good"


def print_summary(results: Results, console: Console) -> None:
    """Write the short form of a report to ``console``: about forty lines, whatever the run was like."""
    for part in _parts(report_view(results)):
        console.print(part)


def badge_text(badge: Badge) -> Text:
    """The verdict's word with its sign."""
    return Text(f"{badge.sign} {badge.word}", style=_STYLES[badge.tone])


def rich_table(data: Table) -> RichTable:
    """A table for the terminal; texts are shown as they are, never read as markup."""
    shown = RichTable(title=Text(data.caption), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in data.columns:
        shown.add_column(Text(column.title), justify="right" if column.figure else "left", overflow="fold")
    for row in data.rows:
        shown.add_row(*(_entry(cell) for cell in row))
    return shown


def _entry(cell: Cell) -> Text:
    entry = Text(cell.text)
    if cell.detail and cell.detail != ABSENT:
        entry.append(f"\n{cell.detail}", style="dim")
    return entry


def _parts(view: ReportView) -> Iterator[RenderableType]:
    style = _STYLES[view.badge.tone]
    yield Panel(_verdict(view), title=badge_text(view.badge), title_align="left", border_style=style)
    if view.decisive.rows:
        yield _one_line_rows(view.decisive)
    yield from _rows(*_other_lists(view))
    yield from _rows("Why", [("", sentence) for sentence in view.explanation])
    yield from _rows("Run", _facts(view))
    yield from _doubts(view)


def _verdict(view: ReportView) -> Text:
    """The answer, and what it holds for on lines of its own."""
    told = Text(view.answer)
    if view.settings_line:
        told.append(f"\n{view.settings_line}", style="dim")
    if view.doubts_line:
        told.append(f"\nDoubts: {view.doubts_line}", style="dim")
    return told


def _other_lists(view: ReportView) -> tuple[str, list[tuple[str, str]]]:
    """The declared statistic on the other lists; where it is on none, what a request costs on each."""
    costs = [line for line in view.lines if line.curve["list"] is not None]
    others = [line for line in costs if line.curve["statistic"] == view.statistic]
    shown = others or [line for line in costs if line.curve["statistic"] == _REQUEST_COST]
    title = "On other price lists" if others else f"By the {STATISTICS[_REQUEST_COST]}"
    return title, [(price_text(line.curve), line.answer) for line in shown]


def _one_line_rows(data: Table) -> RichTable:
    """A table with each interval beside its estimate, so that a level takes one line."""
    shown = RichTable(title=Text(data.caption, style="bold"), title_justify="left", box=None, pad_edge=False)
    for column in data.columns:
        shown.add_column(Text(column.title, style="dim"), justify="right" if column.figure else "left")
    for row in data.rows:
        shown.add_row(*(Text(cell.text if not cell.detail else f"{cell.text} ({cell.detail})") for cell in row))
    return shown


def _rows(title: str, rows: list[tuple[str, str]]) -> Iterator[RenderableType]:
    if not rows:
        return
    yield Text(title, style="bold")
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    named = any(name for name, _ in rows)
    for name, text in rows:
        cells = (Text(f"  {name}", style="dim"), Text(text)) if named else (Text(" "), Text(text))
        grid.add_row(*cells)
    yield grid


def _facts(view: ReportView) -> list[tuple[str, str]]:
    tiles = [tile for tile in view.key_figures if not tile.term.startswith(_TILES_ELSEWHERE)]
    facts = [(tile.term, f"{tile.value}{f', {tile.detail}' if tile.detail else ''}") for tile in tiles]
    return [*facts, ("Calibration", view.calibration)]


def _doubts(view: ReportView) -> Iterator[RenderableType]:
    for group in view.doubts:
        if group.level in ("invalid", "warning"):
            yield Text(f"{group.title} ({group.tally})", style="bold")
            yield from (Padding(Text(_doubt(doubt)), (0, 0, 0, 2)) for doubt in group.doubts)


def _doubt(doubt: Doubt) -> str:
    tally = f" {doubt.tally}" if doubt.tally else ""
    return f"{doubt.code}{tally}: {doubt.message} ({doubt.first_places})"
