"""The long ones of one run each: `make quick` and `make test`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_most
from bench.whole_run import answer, conclusive, typed, whole_run

QUICK_TIMEOUT_S, TEST_TIMEOUT_S = 900.0, 1500.0


def measure_quick(arena: Arena) -> Iterator[Figure]:
    """One real `make quick` from a ready environment."""
    arena.say("quick: a real run, about five minutes")
    took_s, results = whole_run(arena, "quick", QUICK_TIMEOUT_S)
    yield Figure(
        name="make quick",
        value=took_s,
        unit="s",
        bar=at_most(300.0),
        how=f"{typed('quick', results)}, wall time from a ready environment, once",
        note=answer(results),
    )
    yield conclusive("make quick", results)


def measure_tests(arena: Arena) -> Iterator[Figure]:
    """One `make test`."""
    arena.say("tests: make test, some minutes")
    began = time.perf_counter()
    done = run(["make", "test"], cwd=arena.root, timeout_s=TEST_TIMEOUT_S)
    took_s = time.perf_counter() - began
    summary = last_line(done.stdout)
    if done.returncode:
        raise MeasureError(f"make test: exit code {done.returncode} after {took_s:.0f} s: {summary[:200]}")
    skipped = re.search(r"(\d+) skipped", summary)
    yield Figure(name="make test", value=took_s, unit="s", bar=at_most(360.0), how="wall time, once", note=summary)
    yield Figure(
        name="make test, skipped",
        value=float(skipped.group(1)) if skipped else 0.0,
        unit="tests",
        bar=at_most(0.0),
        how="tests skipped in that run",
    )
