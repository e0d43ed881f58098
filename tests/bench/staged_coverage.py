"""Coverage, false alarms and width of the bracket of two stages, as lines of bench_coverage.py.

The plan is that of scripts/experiments/threshold-50-placed.toml, at the levels that the law places for 48 slots. Where
the second stage measures is asked of the code that a run asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.recorded_noise import RecordedNoise
from loadlab.config import load_experiment
from loadlab.design.levels import levels_around
from loadlab.design.refinement import second_levels
from loadlab.model.experiment import RefinePlan
from loadlab.stats.simulation import (
    Curve,
    Noise,
    PlanShape,
    constant,
    kink,
    least_favourable_curves,
    step,
    usual_curves,
)
from loadlab.stats.staged_simulation import StagedShape, simulate_staged

EXPERIMENT = "threshold-50-placed"
PREDICTED_USERS = 52.8
"""Where 48 slots part from none at a margin of 10 %."""
BROKEN: tuple[Noise, ...] = ("heavy", "growing", "lone", "shared")
BEYOND = 1.3
"""Where curves part that only a second stage beyond the last level can see, over that level."""
COVERED, ALARMS = 0.975, 0.025
MARK = "two stages: "
"""What the name of each of these lines begins with."""
PLACES = (
    "as predicted", "on a level", "at 0.62 of the prediction", "at 0.7 of the prediction", "at 1.4 of the prediction",
)  # fmt: skip
"""Of the threshold. At 0.62 the plan is at its worst (docs/adr/0022-beyond-an-open-end.md)."""
Line = dict[str, object]


def staged_lines(runs: int, seed: int, sds_log: tuple[float, ...], recorded: RecordedNoise) -> Iterator[Line]:
    """Every figure of the plan of two stages; the bars are those of one stage."""
    shape, name = placed_plan()
    first, beyond = shape.first, BEYOND * shape.first.users[-1]
    usual = {**usual_curves(first.users), "kink_beyond": kink(beyond, first.margin_ratio)}
    margin = {
        **least_favourable_curves(first.users),
        "step_just_over_beyond": step(beyond, (1 + first.margin_ratio) * (1 + 1e-9)),
        "on_the_margin_below": lambda users: 1.5 if users >= first.users[0] else 1 + first.margin_ratio,
        "just_over_below": lambda users: 1.5 if users >= first.users[0] else (1 + first.margin_ratio) * (1 + 1e-9),
    }
    for sd_log in sds_log:
        plan, label = _noisy(shape, sd_log=sd_log), f"{name}, block SD {sd_log:.0%}"
        yield from _judged(f"usual curves, {label}", usual, plan, runs, seed)
        yield from _judged(f"on the margin, {label}", margin, plan, runs, seed)
        for noise in BROKEN:
            broken = _noisy(shape, sd_log=sd_log, noise=noise)
            yield from _judged(f"{noise} noise, {label}", {**usual, **margin}, broken, runs, seed, broken=True)
        yield from _widths(label, plan, runs, seed)
    real, label = _noisy(shape, sd_log=recorded.sd_log, noise="recorded", recorded=recorded), f"{name}, recorded noise"
    yield from _judged(f"recorded noise, {label}", {**usual, **margin}, real, runs, seed)
    yield from _widths(label, real, runs, seed)


def placed_plan() -> tuple[StagedShape, str]:
    """The shipped plan of two stages, and what it is called in the tables."""
    experiment = load_experiment(EXPERIMENT)
    blocks, rule = experiment.blocks, experiment.refine or RefinePlan()
    users = levels_around(PREDICTED_USERS, count=blocks.levels, step_ratio=blocks.level_step_ratio)
    shape = StagedShape(
        first=PlanShape(users=users, blocks=blocks.count, sd_log=0.0, alpha=experiment.decision.alpha),
        blocks=rule.count,
        place=lambda lower, upper: second_levels(rule, users, lower, upper)[1],
        width_ratio=rule.width_ratio,
    )
    second = f"{rule.levels} inside or {rule.beyond} beyond x {rule.count}"
    return shape, f"{blocks.levels} levels x {blocks.count} blocks + {second}"


def thresholds(plan: StagedShape) -> Mapping[str, float]:
    """Where the threshold may be: where the law has it, on a level, which then straddles, and where it was wrong."""
    off = tuple(ratio * PREDICTED_USERS for ratio in (0.62, 0.7, 1.4))
    return dict(zip(PLACES, (PREDICTED_USERS, float(plan.first.users[2]), *off), strict=True))


def _noisy(
    shape: StagedShape, *, sd_log: float, noise: Noise = "normal", recorded: RecordedNoise | None = None
) -> StagedShape:
    blocks = recorded.blocks if recorded is not None else ()
    return replace(shape, first=replace(shape.first, sd_log=sd_log, noise=noise, recorded=blocks))


def _judged(
    label: str, curves: Mapping[str, Curve], plan: StagedShape, runs: int, seed: int, *, broken: bool = False
) -> Iterator[Line]:
    """The worst curve; noise that breaks an assumption is allowed three standard errors of the simulation."""
    slack = 3 * math.sqrt(ALARMS * (1 - ALARMS) / runs) if broken else 0.0
    seen = {name: simulate_staged(curve, plan, runs=runs, seed=seed).coverage for name, curve in curves.items()}
    worst = min(seen, key=lambda name: seen[name].covered_ratio)
    loudest = max(seen, key=lambda name: seen[name].false_alarm_ratio)
    covered, alarms = seen[worst].covered_ratio, seen[loudest].false_alarm_ratio
    least, most = round(COVERED - slack, 4), round(ALARMS + slack, 4)
    yield _line(f"coverage, {label}", covered, f">= {least}", covered >= least, worst)
    yield _line(f"false alarms, {label}", alarms, f"<= {most}", alarms <= most, loudest)


def _widths(label: str, plan: StagedShape, runs: int, seed: int) -> Iterator[Line]:
    """How often the run ends narrow enough, and goes on to its second stage: no bar, for it is power."""
    for where, threshold in thresholds(plan).items():
        seen = simulate_staged(kink(threshold, plan.first.margin_ratio), plan, runs=runs, seed=seed)
        name = f"kink at {threshold:.1f}"
        yield _line(f"narrow {where}, {label}", seen.narrow_ratio, None, None, name)
        yield _line(f"conclusive {where}, {label}", seen.coverage.conclusive_ratio, None, None, name)
        yield _line(f"second stage {where}, {label}", seen.second_ratio, None, None, name)
    flat = simulate_staged(constant(1.0), plan, runs=runs, seed=seed)
    yield _line(f"conclusive flat, {label}", flat.coverage.conclusive_ratio, None, None, "flat")
    yield _line(f"second stage flat, {label}", flat.second_ratio, None, None, "flat")


def _line(name: str, value: float, bar: str | None, ok: bool | None, curve: str) -> Line:
    return {"name": f"{MARK}{name}", "value": round(value, 5), "bar": bar, "ok": ok, "curve": curve}
