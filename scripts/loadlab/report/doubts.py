"""Findings grouped for reading: worst first, one entry for what many windows share."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.report.results import Results
from loadlab.report.words import FINDING_LEVELS


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """One message with every place it holds for."""

    code: str
    message: str
    expected: str | None
    next_step: str | None
    places: tuple[str, ...]
    """Window, level, ``run`` or ``machine``, with what was got there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DoubtGroup:
    """All doubts of one severity; ``total`` counts findings, not messages."""

    level: str
    title: str
    doubts: tuple[Doubt, ...]
    total: int


def doubt_groups(results: Results) -> tuple[DoubtGroup, ...]:
    """Every finding, in groups: invalid, warnings, not judged, notes. Empty groups are left out."""
    groups = []
    for level, title in FINDING_LEVELS.items():
        found = [finding for finding in results["findings"] if finding["level"] == level]
        if found:
            groups.append(DoubtGroup(level=level, title=title, doubts=_merge(found), total=len(found)))
    return tuple(groups)


def _merge(findings: list[Results]) -> tuple[Doubt, ...]:
    shared: dict[tuple[str | None, ...], list[str]] = {}
    for finding in findings:
        key = tuple(finding[name] for name in ("code", "message", "expected", "next_step"))
        place = f"{finding['where']} (got {finding['got']})" if finding["got"] else finding["where"]
        shared.setdefault(key, []).append(place)
    return tuple(
        Doubt(code=str(code), message=str(message), expected=expected, next_step=step, places=tuple(places))
        for (code, message, expected, step), places in shared.items()
    )
