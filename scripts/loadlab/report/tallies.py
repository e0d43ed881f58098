"""Every tested level for the tables: which has figures, which has none, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loadlab.report.cells import Cell, figure
from loadlab.report.results import Results
from loadlab.report.words import NO_ESTIMATE
from loadlab.units import format_count, format_users

INVALID = "level invalid"


def tally_rows(results: Results) -> tuple[Results, ...]:
    """Each stack at each tested level; in files of before only what counts."""
    if results["tested"] is not None:
        return tuple(results["tested"])
    return tuple(
        {**level, "windows": None, "used": level["blocks"], "reasons": {}, "invalid": False}
        for level in results["levels"]
    )


def tallied_users(results: Results) -> tuple[int, ...]:
    """Every level that was tested, ascending."""
    return tuple(dict.fromkeys(row["users"] for row in tally_rows(results)))


def users_cell(users: int, rows: Iterable[Results]) -> Cell:
    """A level, marked where too many of its pairs are missing."""
    invalid = any(row["invalid"] for row in rows if row["users"] == users)
    return figure(str(users), detail=INVALID if invalid else None)


def windows_cell(row: Results) -> Cell:
    """How many of a level's windows count, and what the others failed."""
    used = format_count(row["used"])
    counted = used if row["windows"] is None else f"{used} of {format_count(row['windows'])}"
    return figure(counted, detail=failed_text(row["reasons"]) or None)


def failed_text(reasons: Mapping[str, int]) -> str:
    """The gates that failed, with in how many windows."""
    return ", ".join(f"{code} {format_count(number)}" for code, number in sorted(reasons.items()))


def unheld(results: Results, stack: str) -> str:
    """Why it is not known how many users a replica of a stack holds: the objective breaks nowhere, or everywhere."""
    levels = sorted((level["users"], level["objective_held"]) for level in results["levels"] if level["stack"] == stack)
    if not levels:
        return NO_ESTIMATE
    lowest, is_held = levels[0]
    missed = f"the objective is missed at {format_users(lowest)} already"
    return "no tested level breaks the objective" if is_held else missed


def absence(row: Results) -> str:
    """Why a level has no figures."""
    if row["windows"] == 0:
        return f"{NO_ESTIMATE}: none was measured"
    failed = failed_text(row["reasons"])
    return f"{NO_ESTIMATE}: {failed}" if failed else f"{NO_ESTIMATE}: the other of each pair is missing"
