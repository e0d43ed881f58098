"""What a board shows of the levels of a past session: the windows that the report counts, from when they were known.

The load generator tells the same while a session runs (`locustfiles/_exporter.py`). It knows only what the engine that
ran said; a replay has the whole bundle, judged as the report judges it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from loadlab.report.told import Told, gauge

PREFIX = "loadlab_level_"
EVERY_S = 5.0
SETTLED_S = 0.5
"""When after a close the level's figures were known."""
OF_A_LEVEL = {
    "windows": "windows",
    "left_out": "windows_left_out",
    "users": "users",
    "seconds": "seconds",
    "ok": "ok_requests",
    "failed": "failed_requests",
    "good": "good_requests",
    "active_s": "active_seconds",
    "response_s": "response_seconds",
}
"""Key of a row to the ending of its series."""
BILLED_LABELS = ("stack", "users", "list", "billing", "unit")
Row = Mapping[str, Any]


def level_series(
    history: Iterable[tuple[float, Sequence[Row]]], labels: Mapping[str, str], end_s: float
) -> Iterator[Told]:
    """Every five seconds until end_s. history: when a window closed, and the levels as they were known after it."""
    known = [(closed_s + SETTLED_S, rows) for closed_s, rows in history if rows]
    for place, (at_s, rows) in enumerate(known):
        until_s = known[place + 1][0] if place + 1 < len(known) else end_s
        text = _text(rows)
        while at_s < until_s:
            yield Told(unix_s=at_s, labels=labels, text=text)
            at_s += EVERY_S


def without_levels(text: str) -> str:
    """An exposition without what its load generator said of levels."""
    return "".join(line for line in text.splitlines(keepends=True) if PREFIX not in line.partition("{")[0])


def _text(rows: Sequence[Row]) -> str:
    registry = CollectorRegistry()
    for key, ending in OF_A_LEVEL.items():
        family = gauge(registry, PREFIX + ending, ("stack", "users"))
        for row in rows:
            if key in row:
                family.labels(stack=row["stack"], users=str(row["users"])).set(row[key])
    _billed(gauge(registry, f"{PREFIX}billed", BILLED_LABELS), rows)
    return generate_latest(registry).decode()


def _billed(family: Gauge, rows: Sequence[Row]) -> None:
    for row in rows:
        for one in row["billed"]:
            where = {name: one[name] for name in ("list", "billing", "unit")}
            family.labels(stack=row["stack"], users=str(row["users"]), **where).set(one["amount"])
