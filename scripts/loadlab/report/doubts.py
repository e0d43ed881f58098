"""Findings grouped for reading: worst first, one entry for each code, with every place it holds for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile

from loadlab.report.results import Results
from loadlab.report.words import FINDING_LEVELS
from loadlab.units import counted

FIRST_PLACES = 3
"""Places that a short form names before it says how many more there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """One code with every place it holds for; expected and next_step where all of its findings share them."""

    code: str
    message: str
    expected: str | None
    next_step: str | None
    places: tuple[str, ...]
    """Window, level, ``run`` or ``machine``, with what was got there."""
    names: tuple[str, ...]
    """The same places without anything else, each once."""
    tally: str
    """How many windows it holds for, or how many other places; empty for a single one."""

    @property
    def first_places(self) -> str:
        """A few names and how many more there are."""
        more = len(self.names) - FIRST_PLACES
        return ", ".join(self.names[:FIRST_PLACES]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class DoubtGroup:
    """All doubts of one severity. ``tally`` counts windows, each once, apart from findings about anything else."""

    level: str
    title: str
    doubts: tuple[Doubt, ...]
    tally: str


def doubt_groups(results: Results) -> tuple[DoubtGroup, ...]:
    """Every finding, in groups: invalid, warnings, not judged, notes. Empty groups are left out."""
    windows = {window["id"] for window in results["windows"]}
    groups = []
    for level, title in FINDING_LEVELS.items():
        found = [finding for finding in results["findings"] if finding["level"] == level]
        if found:
            doubts = _by_code(found, windows)
            groups.append(DoubtGroup(level=level, title=title, doubts=doubts, tally=_group_tally(found, windows)))
    return tuple(groups)


def _group_tally(findings: Sequence[Results], windows: Collection[str]) -> str:
    """Windows with such a finding, each once, and findings about run, machine or levels: never one number of both."""
    failed = {finding["where"] for finding in findings if finding["where"] in windows}
    others = sum(finding["where"] not in windows for finding in findings)
    parts = [counted(len(failed), "window") if failed else "", f"{others} of the run" if failed and others else ""]
    return ", ".join(part for part in parts if part) or str(others)


def _code_tally(names: Sequence[str], windows: Collection[str]) -> str:
    failed = sum(name in windows for name in names)
    if len(names) < 2:
        return ""
    return f"in {counted(failed, 'window')}" if failed == len(names) else f"in {len(names)} places"


def _by_code(findings: Sequence[Results], windows: Collection[str]) -> tuple[Doubt, ...]:
    codes: dict[str, list[Results]] = {}
    for finding in findings:
        codes.setdefault(finding["code"], []).append(finding)
    return tuple(_doubt(code, found, windows) for code, found in codes.items())


def _doubt(code: str, findings: Sequence[Results], windows: Collection[str]) -> Doubt:
    message = _shared_message([finding["message"] for finding in findings])
    expected = _shared(findings, "expected")
    names = tuple(dict.fromkeys(finding["where"] for finding in findings))
    return Doubt(
        code=code,
        message=message,
        expected=expected,
        next_step=_shared(findings, "next_step"),
        places=tuple(_place(finding, message, expected) for finding in findings),
        names=names,
        tally=_code_tally(names, windows),
    )


def _shared(findings: Sequence[Results], name: str) -> str | None:
    values = {finding[name] for finding in findings}
    return values.pop() if len(values) == 1 else None


def _shared_message(messages: Sequence[str]) -> str:
    """The message where all are alike, else what they share up to the colon before their details."""
    heads = [message.split(": ") for message in messages]
    shared = list(takewhile(lambda parts: len(set(parts)) == 1, zip(*heads, strict=False)))
    return ": ".join(parts[0] for parts in shared) or messages[0]


def _place(finding: Results, message: str, expected: str | None) -> str:
    detail = finding["message"].removeprefix(message).lstrip(": ")
    facts = [f"got {finding['got']}"] if finding["got"] else []
    if finding["expected"] and expected is None:
        facts.append(f"expected {finding['expected']}")
    facts += [detail] if detail else []
    return f"{finding['where']} ({'; '.join(facts)})" if facts else str(finding["where"])
