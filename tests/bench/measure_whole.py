"""The long ones: `make quick`, two stages, `make test`, and the coverage of the bracket in simulated runs."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.decision_tables import MARKED, NOISES, Drawn, tables
from bench.figures import Figure, at_least, at_most
from bench.marked_page import read_marked
from bench.recorded_noise import stored_noise
from bench.same_width import GRID, Case, same_width_cases
from bench.staged_coverage import EXPERIMENT as PLACED
from bench.staged_coverage import MARK

CONCLUSIVE = ("diverges", "diverged_at_first", "no_divergence")
VERDICT_CODES = (0, 3, 4, 5)
QUICK_TIMEOUT_S, PLACED_TIMEOUT_S, TEST_TIMEOUT_S, COVERAGE_TIMEOUT_S = 900.0, 3600.0, 1500.0, 1800.0
ON_THE_THRESHOLD = (27, 38, 53, 74)
"""Steps of 1.4 with the prediction of the law on one of them."""
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


def measure_quick(arena: Arena) -> Iterator[Figure]:
    """One real `make quick` from a ready environment."""
    arena.say("quick: a real run, about five minutes")
    took_s, results = _whole_run(arena, "quick", QUICK_TIMEOUT_S)
    yield Figure(
        name="make quick",
        value=took_s,
        unit="s",
        bar=at_most(300.0),
        how="`loadlab run quick`, wall time from a ready environment, once",
        note=_answer(results),
    )
    yield _conclusive("make quick", results)


def measure_placed(arena: Arena) -> Iterator[Figure]:
    """The claim of 50 users at full strength, in two stages at levels that the law places."""
    arena.say(f"placed: a real run of {PLACED}, ten to twenty minutes")
    took_s, results = _whole_run(arena, PLACED, PLACED_TIMEOUT_S)
    yield from placed_figures(took_s, results, float(_planned(arena, GRID)["least_s"]))
    for case in same_width_cases():
        yield same_width_figure(case, lambda name, blocks: _planned(arena, name, blocks))


def measure_both_stages(arena: Arena) -> Iterator[Figure]:
    """The same with a level where the threshold is, which straddles: the run has to go on to its second stage."""
    arena.say(f"both-stages: a real run of {PLACED}, about twenty minutes")
    took_s, results = _whole_run(arena, PLACED, PLACED_TIMEOUT_S, "--set", f"load.users={list(ON_THE_THRESHOLD)}")
    yield from both_stages_figures(took_s, results)


def both_stages_figures(took_s: float, results: Mapping[str, Any]) -> Iterator[Figure]:
    """What a run took that went through both stages, and how wide its bracket is."""
    stages = {int(level["stage"] or 1) for level in results["comparisons"]}
    name = f"{PLACED}, a level on the threshold"
    yield _time(
        name,
        took_s,
        results,
        how=f"`loadlab run {PLACED}` at {', '.join(map(str, ON_THE_THRESHOLD))} users, wall time, once",
    )
    yield Figure(
        name=f"{name}, its stages",
        value=float(len(stages)),
        unit="stages",
        bar=at_least(2.0),
        how="stages of which that run has levels",
    )
    yield _width(name, results)


def placed_figures(took_s: float, results: Mapping[str, Any], grid_s: float) -> Iterator[Figure]:
    """What a run of two stages took, how wide its bracket is, and what the grid takes at least.

    grid_s: of the 14-level grid, by its dry run.
    """
    yield _time(PLACED, took_s, results, how=f"`loadlab run {PLACED}`, wall time from a ready environment, once")
    yield _width(PLACED, results)
    yield Figure(
        name=f"{GRID} as it is over {PLACED}",
        value=grid_s / took_s,
        unit="ratio",
        bar=at_least(2.0),
        how=f"what the 14 levels of {GRID} take at least, by --dry-run, over what that run took",
    )
    yield _conclusive(PLACED, results)


def _time(name: str, took_s: float, results: Mapping[str, Any], *, how: str) -> Figure:
    return Figure(name=name, value=took_s, unit="s", bar=at_most(1200.0), how=how, note=_answer(results))


def _width(name: str, results: Mapping[str, Any]) -> Figure:
    lower, upper = results["bracket"]["lower_users"], results["bracket"]["upper_users"]
    return Figure(
        name=f"{name}, width of its bracket",
        value=upper / lower if lower and upper else None,
        unit="ratio",
        bar=at_most(1.5),
        how="upper over lower end of that run's bracket",
        note="" if lower and upper else "an end is open",
    )


Planned = Callable[[str, int], Mapping[str, Any]]
"""An experiment and how many blocks each of its stages has, to what its dry run says."""


def same_width_figure(case: Case, planned: Planned) -> Figure:
    """What the grid takes over what placed levels take, each with the fewest blocks that end as narrow."""
    value, note = None, "no number of blocks in reach ends so narrow"
    if case.grid is not None and case.placed is not None:
        grid_s = float(planned(GRID, case.grid.blocks)["least_s"])
        placed = planned(PLACED, case.placed.blocks)
        placed_s = float(placed["least_s"]) + case.placed.second_ratio * float(placed["refine"]["least_s"])
        value = grid_s / placed_s
        note = (
            f"{case.grid.blocks} blocks of {GRID}, {grid_s:.0f} s; {case.placed.blocks} of each stage of {PLACED}, "
            f"{placed_s:.0f} s on average, second stage in {case.placed.second_ratio:.0%}"
        )
    return Figure(
        name=f"{GRID} over {PLACED} to the same width, {case.name}",
        value=value,
        unit="ratio",
        bar=at_least(2.0),
        how="least times by --dry-run, each plan with the fewest blocks with which 95 % of simulated runs end at most "
        "1.5 wide (tests/bench/same_width.py)",
        note=note,
    )


def _planned(arena: Arena, name: str, blocks: int | None = None) -> Mapping[str, Any]:
    """What the dry run of an experiment says, with another number of blocks where one is given. Raises MeasureError."""
    stages = ("blocks", "refine") if name == PLACED else ("blocks",)
    changes = [word for stage in stages for word in ("--set", f"{stage}.count={blocks}")] if blocks else []
    done = run([arena.loadlab, "run", name, "--dry-run", "--json", *changes], cwd=arena.root, timeout_s=60.0)
    if done.returncode:
        raise MeasureError(f"loadlab run {name} --dry-run: exit code {done.returncode}: {last_line(done.stderr)}")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def _whole_run(arena: Arena, experiment: str, timeout_s: float, *changes: str) -> tuple[float, Mapping[str, Any]]:
    """Wall time and results of one run. Raises MeasureError when it comes to no verdict."""
    argv = [arena.loadlab, "run", experiment, *changes, "--json", "--runs", str(arena.folder / "runs")]
    began = time.perf_counter()
    done = run(argv, cwd=arena.root, timeout_s=timeout_s)
    took_s = time.perf_counter() - began
    if done.returncode not in VERDICT_CODES:
        raise MeasureError(f"loadlab run {experiment}: exit code {done.returncode}: {last_line(done.stderr)}")
    results: Mapping[str, Any] = json.loads(done.stdout)
    return took_s, results


def _answer(results: Mapping[str, Any]) -> str:
    bracket = results["bracket"]
    return f"verdict {results['verdict']['kind']}, bracket ({bracket['lower_users']}, {bracket['upper_users']}]"


def _conclusive(name: str, results: Mapping[str, Any]) -> Figure:
    return Figure(
        name=f"{name}, conclusive",
        value=float(results["verdict"]["kind"] in CONCLUSIVE),
        unit="of 1",
        bar=at_least(1.0),
        how="1 when the verdict of that run is conclusive, on a quiet machine",
        note=str(results["verdict"]["sentence"]),
    )


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
