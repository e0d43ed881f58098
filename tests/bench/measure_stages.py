"""Two stages at levels that the law places: real runs, and what a fixed grid takes to end as narrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_least, at_most
from bench.same_width import GRID, Case, same_width_cases
from bench.staged_coverage import EXPERIMENT as PLACED
from bench.whole_run import answer, conclusive, typed, whole_run
from loadlab.design.levels import levels_around

PLACED_TIMEOUT_S = 3600.0
ON_THE_THRESHOLD = (27, 38, 53, 74)
"""Steps of 1.4 with the prediction of the law on one of them."""
FAR_OFF = levels_around(36.0, count=4, step_ratio=1.2)
"""The levels of the first stage if the law had said 36 users instead of 53."""


def measure_placed(arena: Arena) -> Iterator[Figure]:
    """The claim of 50 users at full strength, in two stages at levels that the law places."""
    arena.say(f"placed: a real run of {PLACED}, ten to twenty minutes")
    took_s, results = whole_run(arena, PLACED, PLACED_TIMEOUT_S)
    yield from placed_figures(took_s, results, float(_planned(arena, GRID)["least_s"]))


def measure_same_width(arena: Arena) -> Iterator[Figure]:
    """What the grid takes over what placed levels take, simulated, with thresholds as predicted and elsewhere."""
    arena.say("same-width: simulated runs, a minute")
    for case in same_width_cases():
        yield same_width_figure(case, partial(_planned, arena))


def measure_both_stages(arena: Arena) -> Iterator[Figure]:
    """The same with a level where the threshold is, which straddles: the run has to go on to its second stage."""
    arena.say(f"both-stages: a real run of {PLACED}, about twenty minutes")
    took_s, results = whole_run(arena, PLACED, PLACED_TIMEOUT_S, "--set", f"load.users={list(ON_THE_THRESHOLD)}")
    yield from both_stages_figures(took_s, results)


def measure_far_off(arena: Arena) -> Iterator[Figure]:
    """The same with the levels of a prediction that is a third too low: all of them are below the threshold."""
    arena.say(f"far-off: a real run of {PLACED}, about fifteen minutes")
    took_s, results = whole_run(arena, PLACED, PLACED_TIMEOUT_S, "--set", f"load.users={list(FAR_OFF)}")
    yield from both_stages_figures(took_s, results, name=f"{PLACED}, a prediction far off", users=FAR_OFF)


def both_stages_figures(
    took_s: float,
    results: Mapping[str, Any],
    *,
    name: str = f"{PLACED}, a level on the threshold",
    users: Sequence[int] = ON_THE_THRESHOLD,
) -> Iterator[Figure]:
    """What a run took that went through both stages, and how wide its bracket is. users: of the first stage."""
    stages = {int(level["stage"] or 1) for level in results["comparisons"]}
    how = f"{typed(PLACED, results)} at {', '.join(map(str, users))} users, wall time, once"
    yield _time(name, took_s, results, how=how)
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
    yield _time(PLACED, took_s, results, how=f"{typed(PLACED, results)}, wall time from a ready environment, once")
    yield _width(PLACED, results)
    yield Figure(
        name=f"{GRID} as it is over {PLACED}",
        value=grid_s / took_s,
        unit="ratio",
        bar=at_least(2.0),
        how=f"what the 14 levels of {GRID} take at least, by --dry-run, over what that run took",
    )
    yield conclusive(PLACED, results)


def _time(name: str, took_s: float, results: Mapping[str, Any], *, how: str) -> Figure:
    return Figure(name=name, value=took_s, unit="s", bar=at_most(1200.0), how=how, note=answer(results))


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


Planned = Callable[..., Mapping[str, Any]]
"""An experiment, how many blocks each of its stages has, and levels its second one, to what its dry run says."""


def same_width_figure(case: Case, planned: Planned) -> Figure:
    """What the grid takes over what placed levels take, each with the fewest blocks that end as narrow."""
    value, note = None, "no number of blocks in reach ends so narrow"
    if case.grid is not None and case.placed is not None:
        grid_s = float(planned(GRID, case.grid.blocks)["least_s"])
        need = case.placed
        placed_s = float(planned(PLACED, need.blocks)["least_s"])
        for levels, share in need.second_ratios.items():
            placed_s += share * float(planned(PLACED, need.blocks, levels)["refine"]["least_s"])
        value = grid_s / placed_s
        note = (
            f"{case.grid.blocks} blocks of {GRID}, {grid_s:.0f} s; {need.blocks} of each stage of {PLACED}, "
            f"{placed_s:.0f} s on average, second stage in {sum(need.second_ratios.values()):.0%}"
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


def _planned(arena: Arena, name: str, blocks: int | None = None, levels: int | None = None) -> Mapping[str, Any]:
    """What a dry run says, with other numbers of blocks, or of levels of the second stage, where given.

    Raises MeasureError.
    """
    wanted = {
        "blocks.count": blocks,
        "refine.count": blocks if name == PLACED else None,
        "refine.levels": levels,
        "refine.beyond": None if levels is None else 0,
    }
    changes = [word for key, value in wanted.items() if value is not None for word in ("--set", f"{key}={value}")]
    done = run([arena.loadlab, "run", name, "--dry-run", "--json", *changes], cwd=arena.root, timeout_s=60.0)
    if done.returncode:
        raise MeasureError(f"loadlab run {name} --dry-run: exit code {done.returncode}: {last_line(done.stderr)}")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found
