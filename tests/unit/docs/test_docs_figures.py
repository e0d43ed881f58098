"""The table of simulated coverage is what its command prints today."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.bench_coverage import shipped
from loadlab.stats.simulation import PlanShape, kink, least_favourable_curves, simulate

RUNS, SEED = 20_000, 1
COMMAND = f".venv/bin/python tests/bench/bench_coverage.py --runs {RUNS} --seed {SEED}"
ROW = "quick, 5 levels x 4 blocks, block SD 5%"
USERS, BLOCKS = shipped("quick")
ROUNDING_RATIO = 0.0002


def cells(text: str) -> list[float]:
    """The figures of the first row of that name, as ratios."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {ROW} |"))
    return [float(cell.strip().removesuffix(" %")) / 100 for cell in line.split("|")[2:-1]]


def test_a_row_of_the_table_comes_out_of_the_simulation_again(pages: dict[Path, str], root: Path) -> None:
    text = pages[root / "docs" / "method.md"]
    assert COMMAND in text
    _, _, covered, alarms, closed = cells(text)
    plan = PlanShape(users=USERS, blocks=BLOCKS, sd_log=0.05)
    seen = [simulate(curve, plan, runs=RUNS, seed=SEED) for curve in least_favourable_curves(USERS).values()]
    power = simulate(kink(USERS[2] * 0.998, 0.10), plan, runs=RUNS, seed=SEED)
    assert covered == pytest.approx(min(one.covered_ratio for one in seen), abs=ROUNDING_RATIO)
    assert alarms == pytest.approx(max(one.false_alarm_ratio for one in seen), abs=ROUNDING_RATIO)
    assert closed == pytest.approx(power.conclusive_ratio, abs=ROUNDING_RATIO)
