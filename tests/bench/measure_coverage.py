"""The coverage of the bracket in simulated runs, and whether the tables of the method show it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.decision_tables import MARKED, NOISES, Drawn, tables
from bench.figures import Figure, at_least, at_most
from bench.marked_page import read_marked
from bench.recorded_noise import stored_noise
from bench.staged_coverage import MARK

COVERAGE_TIMEOUT_S = 1800.0
COVERAGE_RUNS, SHORT_COVERAGE_RUNS, COVERAGE_SEED = 20_000, 1_000, 1
"""In full as the tables of docs/method.md are drawn."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "usual curves": ("{}, usual curves",),
    "on the margin": ("{}, on the margin",),
    "recorded noise": ("{} with recorded noise",),
    "noise that breaks an assumption": tuple(f"{{}} with {noise} noise" for noise in NOISES),
    "two stages": (f"{MARK}{{}}, usual curves", f"{MARK}{{}}, on the margin"),
    "two stages, recorded noise": (f"{MARK}{{}}, recorded noise",),
    "two stages, noise that breaks an assumption": tuple(f"{MARK}{{}}, {noise} noise" for noise in NOISES),
}
"""Kinds of lines of bench_coverage.py, by how their names begin; {} is what is counted."""


def measure_coverage(arena: Arena) -> Iterator[Figure]:
    """The worst of all plans and noise levels, for each kind of curves and noise, of one stage and of two."""
    runs = arena.pick(COVERAGE_RUNS, SHORT_COVERAGE_RUNS)
    arena.say(f"coverage: {runs} simulated runs for each curve")
    script = arena.root / "tests" / "bench" / "bench_coverage.py"
    argv = [sys.executable, str(script), "--runs", str(runs), "--seed", str(COVERAGE_SEED)]
    done = run(argv, cwd=arena.root, timeout_s=COVERAGE_TIMEOUT_S)
    if done.returncode not in (0, 1):
        raise MeasureError(f"bench_coverage.py: exit code {done.returncode}: {last_line(done.stderr)}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    yield from coverage_figures([line for line in lines if line["bar"] is not None], runs)
    if not arena.quick:
        yield tables_figure(arena.root / "docs" / "method.md", lines, runs)


def tables_figure(page: Path, lines: Sequence[Mapping[str, Any]], runs: int) -> Figure:
    """Whether the page's tables are what was drawn just now, to the last digit."""
    drawn = tables(lines, Drawn(runs=runs, seed=COVERAGE_SEED, noise=stored_noise())).splitlines()
    shown = read_marked(page, MARKED).splitlines()
    unlike = [(old, new) for old, new in zip_longest(shown, drawn, fillvalue="(nothing)") if old != new]
    return Figure(
        name=f"lines of the tables of docs/{page.name} that are not as drawn",
        value=float(len(unlike)),
        unit="lines",
        bar=at_most(0.0),
        how=f"{len(drawn)} lines, {runs} simulated runs for each curve, seed {COVERAGE_SEED}; bench_coverage.py --docs "
        "writes them anew",
        note="" if not unlike else f"shown: {unlike[0][0]}; drawn: {unlike[0][1]}",
    )


def coverage_figures(lines: Sequence[Mapping[str, Any]], runs: int) -> Iterator[Figure]:
    """One figure for each kind of line: its worst value against the bar that the lines themselves name.

    Raises:
        MeasureError: a kind is missing, has two bars, or a line with a bar would be in no figure.
    """
    left = {str(line["name"]) for line in lines}
    for kind, sign, words in (("coverage", at_least, ">= "), ("false alarms", at_most, "<= ")):
        for group, beginnings in GROUPS.items():
            begin = tuple(text.format(kind) for text in beginnings)
            mine = [line for line in lines if str(line["name"]).startswith(begin)]
            bars = {str(line["bar"]) for line in mine}
            if len(bars) != 1:
                raise MeasureError(f"bench_coverage.py printed {_missing(begin[0], bars)}")
            left -= {str(line["name"]) for line in mine}
            worst = (min if kind == "coverage" else max)(mine, key=lambda line: float(line["value"]))
            values = [float(line["value"]) for line in mine]
            yield Figure(
                name=f"bracket {kind}, {group}",
                value=float(worst["value"]),
                lower=min(values),
                upper=max(values),
                unit="share",
                bar=sign(float(bars.pop().removeprefix(words))),
                how=f"worst of {len(mine)} plans and noise levels, {runs} simulated runs a curve{_caveat(group)}",
                note=f"{worst['name']}, {worst['curve']}",
            )
    if left:
        raise MeasureError(f"bench_coverage.py printed lines that no figure shows: {', '.join(sorted(left)[:3])}")


def _caveat(group: str) -> str:
    """What the figure of a group needs beside it to be read rightly."""
    if "breaks an assumption" in group:
        return "; 2.5 % and three standard errors of the simulation are allowed, for bounds are exact there at best"
    if "recorded" in group:
        return f"; a level is one of {len(stored_noise().runs)} real runs, which bound how rare an error can show"
    return ""


def _missing(begin: str, bars: set[str]) -> str:
    return f"lines '{begin}' with several bars: {', '.join(sorted(bars))}" if bars else f"no line '{begin}'"
