"""What the terminal shows at the end of a run: verdict, levels, doubts."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from loadlab.report.cells import Cell, Table
from loadlab.report.results import Results
from loadlab.report.view import ReportView, build_view
from loadlab.report.words import Badge
from loadlab.units import ABSENT

_STYLES = {"found": "bold yellow", "quiet": "bold cyan", "doubt": "bold magenta", "bad": "bold red"}


def print_summary(results: Results, console: Console) -> None:
    """Write the short form of a report to ``console``."""
    for part in _parts(build_view(results)):
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
    yield Panel(
        Text(view.sentence), title=badge_text(view.badge), title_align="left", border_style=_STYLES[view.badge.tone]
    )
    facts = RichTable.grid(padding=(0, 2))
    for tile in view.key_figures:
        facts.add_row(Text(tile.term, style="dim"), Text(tile.value, style="bold"), Text(tile.detail, style="dim"))
    facts.add_row(Text("Calibration", style="dim"), Text(view.calibration, style="bold"), Text(""))
    yield facts
    yield rich_table(view.brackets)
    for group in view.doubts:
        if group.level in ("invalid", "warning"):
            yield Text(f"{group.title} ({group.total})", style="bold")
            for doubt in group.doubts:
                step = f" Next: {doubt.next_step}." if doubt.next_step else ""
                where = doubt.places[0] if len(doubt.places) == 1 else f"{len(doubt.places)} places"
                yield Text(f"  {doubt.code}: {doubt.message} ({where}).{step}")
