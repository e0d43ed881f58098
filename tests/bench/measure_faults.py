"""`make faults` at length: short real runs that are killed, stopped and starved at random moments."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_least, at_most

CASES, SHORT_CASES = 300, 3
CASE_TIMEOUT_S = 120.0
"""Of each case, all of them one after another; three go at once."""
DECIDED_LEAST = 0.25
"""Of the cases: with fewer, that no verdict was false would say little."""
BOOKS = re.compile(
    r"^faults: (\d+) cases, (\d+) struck, (\d+) windows .*?, (\d+) requests in them, (\d+) lost by the books; (\d+) "
    r"runs have an end of their bracket; (\d+) windows had no books",
    re.M,
)
MOST_OF_A_FAILURE = 300
"""Characters of what is said of a case that failed."""
NOT_PASSED = re.compile(r"(\d+) (?:failed|errors?)\b")


def measure_faults(arena: Arena) -> Iterator[Figure]:
    """Cases that broke a promise, and requests lost by the books over all cases."""
    cases = arena.pick(CASES, SHORT_CASES)
    arena.say(f"faults: {cases} cases")
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "tests/faults/test_faults.py",
        "-m",
        "faults",
        "-n",
        "3",
        "-p",
        "no:randomly",
    ]
    env = {"FAULT_CASES": str(cases)}
    done = run(argv, cwd=arena.root, timeout_s=60.0 + cases * CASE_TIMEOUT_S, env=env)
    yield from fault_figures(done.stdout, cases)


def _failures(told: str) -> list[str]:
    """The first cases that failed and why, as pytest sums them up; without the names of this machine's files."""
    lines = re.findall(r"^(?:FAILED|ERROR) \S*::(.*)$", told, re.M)
    return [re.sub(r"(?<![\w.])/[\w./-]+", "(file)", line)[:MOST_OF_A_FAILURE] for line in lines[:3]]


def fault_figures(told: str, cases: int) -> Iterator[Figure]:
    """Figures out of what pytest printed. Raises MeasureError when its books are not there or not of so many cases."""
    books = BOOKS.search(told)
    if books is None or int(books[1]) != cases:
        raise MeasureError(f"make faults: no books of {cases} cases: {last_line(told)[:200]}")
    _, struck, windows, requests, lost, decided, unbooked = (int(number) for number in books.groups())
    closing = last_line(told)
    failed = sum(int(number) for number in NOT_PASSED.findall(closing))
    how = (
        f"{cases} runs, each hit once at a random moment: SIGKILL, SIGSTOP for 3 s, SIGTERM, a full disk, the clock of "
        "the engine moved; gates bear the noise of three runs at once (lag 100 ms, steal 50 %, processor 95 %)"
    )
    yield Figure(
        name="fault cases that broke a promise",
        value=float(failed),
        unit="cases",
        bar=at_most(0.0),
        how=how,
        note="; ".join([closing.strip("= "), *_failures(told)]),
    )
    yield Figure(
        name="requests lost by the books, all fault cases",
        value=float(lost),
        unit="requests",
        bar=at_most(0.0),
        how=f"sent less answered or failed, and where nothing fell less served or arrived, over {requests} requests "
        f"of {windows} windows, valid or not, also of attempts that were made again",
        note=f"{unbooked} windows had no books",
    )
    yield Figure(
        name="fault cases with a verdict that could be false",
        value=decided / cases,
        unit="share",
        bar=at_least(DECIDED_LEAST),
        how="runs that end with an end of their bracket; the others are inconclusive, and nothing speaks against that",
    )
    yield Figure(
        name="fault cases whose victim was hit",
        value=struck / cases,
        unit="share",
        bar=at_least(0.9),
        how="the others ended before their moment came",
    )
