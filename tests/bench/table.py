"""The bench as people read it: one row for each figure, its bar beside it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import Figure
from bench.record import Measured

HEADINGS = ("figure", "value", "range", "bar", "", "how measured")
ABSENT = "–"


def format_value(value: float | None) -> str:
    """Four significant digits, without an exponent; a dash for what is absent."""
    if value is None:
        return ABSENT
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def verdict_word(figure: Figure) -> str:
    """``ok``, ``MISSED``, or nothing where there is no bar."""
    return {True: "ok", False: "MISSED", None: ""}[figure.ok]


def span_text(figure: Figure) -> str:
    """The range of single ratios or repeats behind a figure; a dash where there is only one."""
    if figure.lower is None or figure.upper is None:
        return ABSENT
    return f"{format_value(figure.lower)}..{format_value(figure.upper)}"


def table_text(measured: Sequence[Measured]) -> str:
    """The table, the notes below it by figure, and what else went on during each measure."""
    figures = [figure for each in measured for figure in each.figures]
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    noise = [f"{each.measure}: {each.surroundings.text()}" for each in measured]
    parts = [
        "\n".join(aligned(rows)),
        _section("notes", notes),
        _section("during the measures", noise),
        sum_text(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the last one runs free."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
        for row in rows
    ]


def _row(figure: Figure) -> tuple[str, ...]:
    value = f"{format_value(figure.value)} {figure.unit}" if figure.value is not None else ABSENT
    bar = figure.bar.text() if figure.bar else ABSENT
    return (figure.name, value, span_text(figure), bar, verdict_word(figure), figure.how)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)]) if lines else ""


def sum_text(figures: Sequence[Figure]) -> str:
    """How many bars are met, and which are not."""
    barred = [figure for figure in figures if figure.bar is not None]
    missed = [figure.name for figure in barred if not figure.ok]
    return f"{len(barred) - len(missed)} of {len(barred)} bars met" + (
        f"; missed: {', '.join(missed)}" if missed else ""
    )
