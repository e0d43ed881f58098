"""What a plan will be able to see, told before it is run."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest

from builders import make_experiment
from loadlab.config import dump_experiment
from loadlab.execute.machine import Machine
from loadlab.model.experiment import ClosedLoad, DecisionRule, Experiment
from loadlab.pipeline.outlook import outlook
from loadlab.pipeline.scatter import ASSUMED_SD_LOG, Scatter, known_scatter
from loadlab.stats.paired import ratio_estimate
from loadlab.stats.power import blocks_to_see, sight

RULE = DecisionRule(statistic="cost_per_million_good", margin_ratio=0.10)
LOGS = (0.10, 0.13, 0.11, 0.16)
QUICK = replace(make_experiment(users=(48, 60)), id="quick", decision=RULE)


def results(
    experiment: Experiment = QUICK,
    *,
    valid: bool = True,
    logs: tuple[float, ...] = LOGS,
    other: tuple[float, ...] = (),
    target: str = "local",
    machine_id: str | None = None,
) -> str:
    """results.json of one level, with the interval that the real code gives these blocks.

    other: blocks of the same level under a second price list.
    """
    levels = [level(logs, "aws-fargate-x86", valid=valid)]
    levels += [level(other, "cloud-run-request", valid=valid)] * 3 if other else []
    return told(levels, experiment, target, machine_id)


def told(
    levels: list[dict[str, object]],
    experiment: Experiment = QUICK,
    target: str = "local",
    machine_id: str | None = None,
) -> str:
    described = {"id": experiment.id, "toml": dump_experiment(experiment)}
    provenance = {"target": target, "machine_id": machine_id or Machine().machine_id()}
    return json.dumps({"experiment": described, "comparisons": levels, "provenance": provenance})


def level(logs: tuple[float, ...], price: str, *, valid: bool) -> dict[str, object]:
    seen = ratio_estimate(logs)
    assert seen is not None
    assert seen.interval is not None
    return {
        "users": 48,
        "list": price,
        "billing": "provisioned",
        "statistic": "cost_per_million_good",
        "ratio": seen.value,
        "lower_ratio": seen.interval.lower,
        "upper_ratio": seen.interval.upper,
        "blocks": len(logs),
        "valid": valid,
    }


def bundle(runs: Path, name: str, text: str, age_s: int = 0) -> None:
    (runs / name).mkdir(parents=True)
    path = runs / name / "results.json"
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1_790_000_000 - age_s, 1_790_000_000 - age_s))


def test_the_scatter_of_the_blocks_is_read_back_out_of_a_finished_run(tmp_path: Path) -> None:
    bundle(tmp_path, "quick-1", results())
    seen = known_scatter(tmp_path, QUICK, "local")
    assert seen.run == "quick-1"
    assert seen.sd_log == pytest.approx(stdev(LOGS))


def test_only_the_curve_that_decides_tells_the_scatter(tmp_path: Path) -> None:
    bundle(tmp_path, "quick-1", results(other=(0.1, 0.9, 0.5)))
    assert known_scatter(tmp_path, QUICK, "local").sd_log == pytest.approx(stdev(LOGS))


def test_scatter_is_pooled_over_the_levels_and_does_not_come_out_too_small(tmp_path: Path) -> None:
    """200 runs of five levels and four blocks: the mean of what each tells is what their blocks scatter by."""
    drawn = np.random.default_rng(8).normal(0.1, 0.05, (200, 5, 4))
    seen = []
    for number, run in enumerate(drawn):
        levels = [level(tuple(logs), "aws-fargate-x86", valid=True) for logs in run]
        bundle(tmp_path / str(number), "run", told(levels))
        seen.append(known_scatter(tmp_path / str(number), QUICK, "local").sd_log)
    assert np.mean(seen) == pytest.approx(0.05, rel=0.03)
    within = [np.var(run, axis=1, ddof=1).mean() for run in drawn]
    assert seen == pytest.approx(np.sqrt(within))


@pytest.mark.parametrize(("blocks", "says"), [(8, "8 are enough"), (4, "4 are too few: --set blocks.count=8")])
def test_dollars_in_whole_replicas_are_laid_out_by_blocks_that_agree_and_not_by_scatter(blocks: int, says: str) -> None:
    """2**-6 is at most 2.5 %, and 2**-8 at most a fifth of it: Hollander, Wolfe & Chicken, section 3.6."""
    rule = DecisionRule(statistic="usd_per_hour_at_users", margin_ratio=0.10)
    (line,) = outlook(rule, blocks=blocks, levels=5, scatter=Scatter(sd_log=0.05, run=None), seconds_of=float)
    assert "6 blocks that agree can call a level within the margin, 8 can call one above it" in line
    assert line.endswith(says)


def test_the_newest_run_of_the_same_experiment_is_asked(tmp_path: Path) -> None:
    bundle(tmp_path, "old", results(logs=(0.1, 0.9, 0.2)), age_s=60)
    bundle(tmp_path, "new", results())
    bundle(tmp_path, "other", results(replace(QUICK, id="threshold-50")), age_s=-60)
    assert known_scatter(tmp_path, QUICK, "local").run == "new"


def test_a_run_on_another_target_tells_nothing_of_this_one(tmp_path: Path) -> None:
    bundle(tmp_path, "here", results(), age_s=60)
    bundle(tmp_path, "cluster", results(logs=(0.1, 0.9, 0.2), target="kubernetes"))
    assert known_scatter(tmp_path, QUICK, "local").run == "here"
    assert known_scatter(tmp_path, QUICK, "kubernetes").run == "cluster"


assert isinstance(QUICK.load, ClosedLoad)
CLOSED = QUICK.load
UNLIKE = {
    "id": replace(QUICK, id="x"),
    "windows": replace(QUICK, window=replace(QUICK.window, measure_s=20.0)),
    "stacks": replace(QUICK, stacks=(QUICK.stacks[0], replace(QUICK.stacks[1], name="other"))),
    "load": replace(QUICK, load=replace(CLOSED, think_s=1.0)),
    "resources": replace(QUICK, resources=replace(QUICK.resources, cpu=Decimal(2))),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_a_run_of_something_else_tells_nothing(tmp_path: Path, what: str) -> None:
    bundle(tmp_path, "run", results(UNLIKE[what]))
    assert known_scatter(tmp_path, QUICK, "local").run is None


def test_a_run_of_another_machine_tells_nothing_of_this_one(tmp_path: Path) -> None:
    bundle(tmp_path, "copied", results(machine_id="another"))
    assert known_scatter(tmp_path, QUICK, "local").run is None


def test_levels_and_blocks_may_differ(tmp_path: Path) -> None:
    """What more blocks would see is what a dry run is asked for."""
    more = replace(QUICK, load=replace(CLOSED, users=(40, 50)), blocks=replace(QUICK.blocks, count=9))
    bundle(tmp_path, "run", results(more))
    assert known_scatter(tmp_path, QUICK, "local").run == "run"


NOT_TOML = json.dumps(json.loads(results()) | {"experiment": {"id": "quick", "toml": "["}})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"experiment": 3}', results(valid=False), NOT_TOML, "{}"])
def test_where_no_run_tells_the_scatter_is_assumed_and_said_to_be(tmp_path: Path, text: str) -> None:
    bundle(tmp_path, "run", text)
    seen = known_scatter(tmp_path, QUICK, "local")
    assert (seen.sd_log, seen.run) == (ASSUMED_SD_LOG, None)
    assert "assumed" in seen.words


def test_a_plan_says_the_ratio_it_can_see_and_what_five_percent_would_take() -> None:
    lines = outlook(
        RULE, blocks=4, levels=5, scatter=Scatter(sd_log=0.05, run=None), seconds_of=lambda blocks: 60.0 * blocks
    )
    seen = sight(blocks=4, levels=5, sd_log=0.05)
    assert seen.excess_log is not None
    assert f"a ratio of {1.1 * math.exp(seen.excess_log):.3f}x or more" in lines[0]
    needed = blocks_to_see(math.log(1.05), levels=5, sd_log=0.05)
    assert needed is not None
    assert needed > 4
    assert (
        f"for 5.0 % over it you need {needed} blocks, at least {needed} min 0 s: --set blocks.count={needed}"
        in lines[1]
    )


def test_a_plan_that_sees_five_percent_already_asks_for_nothing() -> None:
    lines = outlook(RULE, blocks=8, levels=5, scatter=Scatter(sd_log=0.01, run="r"), seconds_of=float)
    assert len(lines) == 1
    assert "as in r" in lines[0]


def test_noise_that_no_affordable_plan_beats_is_said() -> None:
    lines = outlook(RULE, blocks=4, levels=5, scatter=Scatter(sd_log=0.9, run="r"), seconds_of=float)
    assert "no affordable number of blocks" in lines[1]
