"""The bars of A/A runs and of injected service time, by the real runs that tests/bench/controls.py has made.

Thirty of each kind take hours, so that none is made by the way: those that this machine has made are judged, and where
more are to come there is no figure yet, which misses the bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.arena import Arena
from bench.control_runs import Control, Run, distance_from_1, mean_interval, read_runs
from bench.controls import (
    AA_MOST_95,
    AA_MOST_99,
    AA_RUNS,
    EFFECTS,
    FOUND_EFFECT,
    FOUND_LEAST,
    FOUND_RUNS,
    ROWS,
    allowance,
)
from bench.figures import Figure, at_least, at_most
from loadlab.execute.machine import Machine

NEXT = "tests/bench/controls.py makes them, three minutes each"


def measure_controls(arena: Arena) -> Iterator[Figure]:
    """One figure for each bar of docs/controls.md."""
    arena.say(f"controls: the runs in {ROWS}")
    yield from control_figures(read_runs(arena.root / ROWS), Machine().machine_id())


def control_figures(told: Sequence[Run], machine_id: str) -> Iterator[Figure]:
    """Of the runs of this machine that have a valid level; the others say nothing, and are counted."""
    runs = [run for run in told if run.machine_id == machine_id]
    same = [run.control for run in runs if run.control and run.effect_ratio == 0]
    slower = [run.control for run in runs if run.control and run.effect_ratio == FOUND_EFFECT]
    made = _made(runs, len(told) - len(runs))
    for level, most, outside in (
        (95, AA_MOST_95, sum(control.outside_95 for control in same)),
        (99, AA_MOST_99, sum(control.outside_99 for control in same)),
    ):
        name = f"A/A runs whose {level} % interval leaves out 1"
        yield _counted(name, same, outside, most, AA_RUNS, made)
    yield _bias(same, made)
    lost = sum(not control.over for control in slower)
    name = f"runs with +{FOUND_EFFECT:.0%} that do not call it dearer"
    yield _counted(name, slower, lost, FOUND_RUNS - FOUND_LEAST, FOUND_RUNS, made)
    for effect in (effect for effect in EFFECTS if effect not in (0, FOUND_EFFECT)):
        yield _power(effect, [run.control for run in runs if run.control and run.effect_ratio == effect])


def _bias(same: Sequence[Control], made: str) -> Figure:
    """What no interval of a single run shows: whether all of them together are off."""
    seen = mean_interval([control.ratio for control in same])
    return Figure(
        name="mean of the A/A runs, how far its 95 % interval is off 1",
        value=None if seen is None else 100 * distance_from_1(seen),
        unit="%",
        bar=at_most(0.0),
        how=f"t interval of the mean log ratio of {len(same)} real runs at margin 0, in {ROWS}",
        note=made if seen is None else f"mean {seen.mean:.4f}, interval {seen.lower:.4f} to {seen.upper:.4f}; {made}",
    )


def _power(effect: float, mine: Sequence[Control]) -> Figure:
    """Above the effect that has to be found all are to be; below it the share has no bar."""
    found = sum(control.over for control in mine)
    return Figure(
        name=f"runs with +{effect:.0%} that call it dearer",
        value=found / len(mine) if mine else None,
        unit="share",
        bar=at_least(1.0) if effect > FOUND_EFFECT else None,
        how=f"of {len(mine)} real runs at margin 0, one level and eight blocks each, in {ROWS}",
        note=f"{found} of {len(mine)}" if mine else f"no run yet: {NEXT}",
    )


def _made(runs: Sequence[Run], elsewhere: int) -> str:
    """With what they were made: rows are committed, and stay from one machine and revision to the next."""
    revisions = ", ".join(dict.fromkeys(run.revision for run in runs)) or "none"
    spoilt = sum(run.control is None for run in runs)
    return f"{spoilt} runs had no valid level; {elsewhere} of other machines are not counted; revisions {revisions}"


def _counted(name: str, mine: Sequence[Control], errors: int, most: int, wanted: int, made: str) -> Figure:
    """Known once there are as many runs as the bar asks for, or as soon as no further run can mend it."""
    allowed = most * allowance(mine, wanted)
    is_known = len(mine) >= wanted or errors > allowed
    to_come = f"; {wanted - len(mine)} of {wanted} are to come: {NEXT}" if len(mine) < wanted else ""
    return Figure(
        name=name,
        value=float(errors) if is_known else None,
        unit="runs",
        bar=at_most(allowed),
        how=f"of {len(mine)} real runs at margin 0, one level and eight blocks each, in {ROWS}",
        note=f"{errors} of {len(mine)}{to_come}; {made}",
    )
