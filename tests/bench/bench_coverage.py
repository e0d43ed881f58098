"""Coverage, false alarms and power of the bracket on simulated runs, one JSON line for each figure.

    python tests/bench/bench_coverage.py [--runs 20000] [--seed 1] [--docs docs/method.md]

--docs writes the figures into the tables of that page as well (tests/bench/decision_tables.py).

Bars hold for every curve, those that lie on the margin itself included, and for every kind of noise. With noise
that is made to break an assumption they allow three standard errors of the simulation: a level that is judged by
itself errs exactly as often as alpha says. With the noise of real runs they allow nothing. Power has no bar.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bench.decision_tables import Drawn, write_tables
from bench.recorded_noise import stored_noise
from bench.staged_coverage import PREDICTED_USERS, staged_lines
from loadlab.config import load_experiment
from loadlab.design.levels import levels_around
from loadlab.stats.simulation import (
    Coverage,
    Curve,
    Noise,
    PlanShape,
    called_ratio,
    kink,
    least_favourable_curves,
    simulate,
    usual_curves,
)

MIDDLE = (20, 30, 40, 48, 58, 70, 85, 100)


def shipped(experiment_id: str) -> tuple[tuple[int, ...], int]:
    """Levels of a shipped experiment, where the law places them for 48 slots, and its blocks."""
    blocks = load_experiment(experiment_id).blocks
    return levels_around(PREDICTED_USERS, count=blocks.levels, step_ratio=blocks.level_step_ratio), blocks.count


def _plans() -> Iterator[tuple[str, tuple[tuple[int, ...], int]]]:
    for name, plan in (("quick, ", shipped("quick")), ("", (MIDDLE, 6)), ("full strength, ", shipped("threshold-50"))):
        yield f"{name}{len(plan[0])} levels x {plan[1]} blocks", plan


PLANS = dict(_plans())
EXCESSES = (0.0, 0.025, 0.05, 0.10, 0.20)
"""Beyond the margin, as ratios."""
RECORDED = stored_noise()
BROKEN: tuple[Noise, ...] = ("heavy", "growing", "lone", "shared")
SDS_LOG = (0.02, 0.05, 0.10)
COVERED, ALARMS = 0.975, 0.025
Line = dict[str, object]


def main() -> int:
    """Print every figure; the exit code is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, help="a page whose tables are written anew")
    asked = parser.parse_args()
    lines = []
    for line in chain(_lines(asked.runs, asked.seed), staged_lines(asked.runs, asked.seed, SDS_LOG, RECORDED)):
        print(json.dumps(line), flush=True)
        lines.append(line)
    if asked.docs is not None:
        write_tables(asked.docs, lines, Drawn(runs=asked.runs, seed=asked.seed, noise=stored_noise()))
    return 1 if any(line["ok"] is False for line in lines) else 0


def _lines(runs: int, seed: int) -> Iterator[Line]:
    for plan_name, (users, blocks) in PLANS.items():
        for sd_log in SDS_LOG:
            plan = PlanShape(users=users, blocks=blocks, sd_log=sd_log)
            label = f"{plan_name}, block SD {sd_log:.0%}"
            yield from _judged(f"usual curves, {label}", usual_curves(users), plan, runs, seed)
            yield from _judged(f"on the margin, {label}", least_favourable_curves(users), plan, runs, seed)
            yield _power(label, plan, runs, seed)
            for noise in BROKEN:
                yield from _broken(label, users, plan, noise, runs, seed)
            yield from _found(label, plan, runs, seed)
        real = PlanShape(users=users, blocks=blocks, sd_log=RECORDED.sd_log, recorded=RECORDED.blocks)
        yield from _broken(f"{plan_name}, recorded noise", users, real, "recorded", runs, seed)
        yield from _found(f"{plan_name}, recorded noise", replace(real, noise="recorded"), runs, seed)


def _judged(label: str, curves: Mapping[str, Curve], plan: PlanShape, runs: int, seed: int) -> Iterator[Line]:
    seen = {name: simulate(curve, plan, runs=runs, seed=seed) for name, curve in curves.items()}
    worst = min(seen, key=lambda name: seen[name].covered_ratio)
    loudest = max(seen, key=lambda name: seen[name].false_alarm_ratio)
    covered, alarms = seen[worst].covered_ratio, seen[loudest].false_alarm_ratio
    yield _line(f"coverage, {label}", covered, f">= {COVERED}", covered >= COVERED, worst)
    yield _line(f"false alarms, {label}", alarms, f"<= {ALARMS}", alarms <= ALARMS, loudest)


def _broken(label: str, users: tuple[int, ...], plan: PlanShape, noise: Noise, runs: int, seed: int) -> Iterator[Line]:
    """The same with other noise than normal and alike: the worst curve of all."""
    slack = 0.0 if noise == "recorded" else 3 * math.sqrt(ALARMS * (1 - ALARMS) / runs)
    broken = replace(plan, noise=noise)
    curves = {**usual_curves(users), **least_favourable_curves(users)}
    seen = {name: simulate(curve, broken, runs=runs, seed=seed) for name, curve in curves.items()}
    worst = min(seen, key=lambda name: seen[name].covered_ratio)
    loudest = max(seen, key=lambda name: seen[name].false_alarm_ratio)
    covered, alarms = seen[worst].covered_ratio, seen[loudest].false_alarm_ratio
    least, most = COVERED - slack, ALARMS + slack
    yield _line(f"coverage with {noise} noise, {label}", covered, f">= {least:.4g}", covered >= least, worst)
    yield _line(f"false alarms with {noise} noise, {label}", alarms, f"<= {most:.4g}", alarms <= most, loudest)


def _power(label: str, plan: PlanShape, runs: int, seed: int) -> Line:
    threshold = plan.users[len(plan.users) // 2] * 0.998
    seen: Coverage = simulate(kink(threshold, plan.margin_ratio), plan, runs=runs, seed=seed)
    return _line(f"closed brackets (power), {label}", seen.conclusive_ratio, None, None, f"kink at {threshold:.1f}")


def _found(label: str, plan: PlanShape, runs: int, seed: int) -> Iterator[Line]:
    """How often an excess at the middle level is called over the margin."""
    for excess in EXCESSES:
        seen = called_ratio(math.log1p(excess), plan, runs=runs, seed=seed)
        yield _line(f"power at +{excess:.1%}, {label}", seen, None, None, "middle level")


def _line(name: str, value: float, bar: str | None, ok: bool | None, curve: str) -> Line:
    return {"name": name, "value": round(value, 5), "bar": bar, "ok": ok, "curve": curve}


if __name__ == "__main__":
    raise SystemExit(main())
