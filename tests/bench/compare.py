"""Two bench.json files side by side."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Figure
from bench.record import Bench
from bench.table import ABSENT, aligned, format_value, verdict_word

NOW_MISSED = "now MISSED"
"""Of a bar that the first file met."""
HEADINGS = ("figure", "unit", "first", "second", "second/first", "")


def compare_text(first: Bench, second: Bench) -> str:
    """Every figure that either has, with doubts about the comparison above them."""
    rows = [HEADINGS, *_rows(first, second)]
    return "\n".join([*_headlines(first, second), "", *aligned(rows)])


def _headlines(first: Bench, second: Bench) -> Iterator[str]:
    for which, bench in (("first", first), ("second", second)):
        yield f"{which}: {bench.source}, {bench.started}{', --quick' if bench.quick else ''}"
    if first.machine_id != second.machine_id:
        yield "DIFFERENT MACHINES: only ratios can be compared, and those with care"
    if first.quick != second.quick:
        yield "one of them is --quick: its figures are rougher"


def _rows(first: Bench, second: Bench) -> Iterator[tuple[str, ...]]:
    for name in dict.fromkeys((*first.figures, *second.figures)):
        a, b = first.figures.get(name), second.figures.get(name)
        known = a or b
        assert known is not None, "the name came from one of the two"
        noisy = "noisy" if name in first.noisy | second.noisy else ""
        awake = "idle cores kept awake in one" if (name in first.awake) != (name in second.awake) and a and b else ""
        remarks = [part for part in (_remark(a, b), noisy, awake) if part]
        yield (name, known.unit, _cell(a), _cell(b), _change(a, b), ", ".join(remarks))


def _cell(figure: Figure | None) -> str:
    return ABSENT if figure is None else f"{format_value(figure.value)} {verdict_word(figure)}".rstrip()


def _change(a: Figure | None, b: Figure | None) -> str:
    if a is None or b is None or not a.value or b.value is None:
        return ABSENT
    return f"{b.value / a.value:.3f}"


def _remark(a: Figure | None, b: Figure | None) -> str:
    """What changed: a bar met or missed anew, or a value outside of the other's own range."""
    if a is None or b is None:
        return "only in one"
    if a.ok != b.ok:
        return "now met" if b.ok else NOW_MISSED
    if a.lower is None or a.upper is None or b.value is None:
        return ""
    return "" if a.lower <= b.value <= a.upper else "outside the first's range"
