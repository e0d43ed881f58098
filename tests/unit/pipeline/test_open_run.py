"""An open load from its plan through a simulated run to its report: levels are rates, and every page says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import make_demand, make_experiment, make_open
from loadlab.design.plan import make_plan
from loadlab.design.warmup import OPEN_LEAD_S
from loadlab.errors import UsageError
from loadlab.model.experiment import Experiment
from loadlab.pipeline.block import timing
from loadlab.pipeline.finish import analyse_bundle
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.listing import listing
from loadlab.pipeline.provenance import describe
from loadlab.report.comparison import compare_runs
from loadlab.report.comparison_text import comparison_markdown
from simulated import FakeClock
from simulated_lab import Lab, make_lab

RATES = (20, 30, 60, 80)


def _experiment(*rates: int) -> Experiment:
    return make_open(make_experiment(blocks=4, measure_s=8.0), *(rates or RATES))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A pool of 8 slots of 200 ms, which carries 40 requests a second, against a loop."""
    made = make_lab(_experiment(), tmp_path_factory.mktemp("open") / "unit-run")
    made.run()
    analyse_bundle(made.folder, checkout(made.folder.parent))
    return made


@pytest.fixture(scope="module")
def results(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((lab.folder / "results.json").read_bytes())
    return found


def test_every_trial_of_the_sweep_is_open_and_the_demands_are_closed(lab: Lab) -> None:
    plan = make_plan(_experiment(), RATES, seed=7)
    assert {trial.kind for block in plan.blocks for trial in block.trials} == {"open"}
    closed = make_plan(make_experiment(), (8, 10), seed=7)
    assert {trial.kind for block in closed.blocks for trial in block.trials} == {"closed"}
    windows = [orjson.loads(path.read_bytes()) for path in sorted((lab.folder / "windows").glob("*.json"))]
    arrivals = {window["id"].startswith("demand"): window["load"]["arrivals"] is None for window in windows}
    assert arrivals == {True: True, False: False}


def test_both_windows_of_a_pair_see_the_same_part_of_their_schedule(tmp_path: Path) -> None:
    """Steps of the rate count from the start of each trial: stacks of unlike speed wait alike."""
    lab = make_lab(_experiment(), tmp_path / "unit-run")
    demands = (make_demand("pool", service_s=0.9), make_demand("loop", service_s=0.2))
    trials = make_plan(_experiment(), RATES, seed=7).blocks[0].trials
    with lab.opened() as store:
        rig = lab.rig(store)
        waited_s = {timing(rig, trial, demands).warmup_s for trial in trials}
    assert waited_s == {OPEN_LEAD_S + 4.5}


def _stepped(arrivals: str) -> Experiment:
    return make_open(make_experiment(blocks=2, measure_s=8.0), 20, arrivals=arrivals)


def test_a_step_that_no_window_would_see_is_refused_before_the_first_block(tmp_path: Path) -> None:
    """One second to settle and eight of window: the report would speak of a rate that was never sent."""
    lab = make_lab(_stepped("constant steps(1@0s, 2@3s, 3@30s)"), tmp_path / "unit-run")
    said = (
        r"its step at 30 s never comes: a trial ends 9\.00 s after its schedule began \(1\.00 s to settle, 8\.00 s of"
    )
    with pytest.raises(UsageError, match=said):
        lab.run()
    with lab.opened() as store:
        assert not store.progress().demands


def test_steps_that_windows_see_are_run(tmp_path: Path) -> None:
    lab = make_lab(_stepped("steps(1@0s, 2@8.9s)"), tmp_path / "unit-run")
    lab.run()
    with lab.opened() as store:
        progress = store.progress()
        assert progress.plan is not None
        assert not progress.remaining(progress.plan)


def test_the_stacks_are_compared_at_each_rate(results: dict[str, Any]) -> None:
    """Both carry 20 and 30 a second; at 60 the pool answers 40, which costs half as much again."""
    assert (results["bracket"]["lower_users"], results["bracket"]["upper_users"]) == (30, 60)
    assert results["verdict"]["kind"] == "diverges"
    assert results["prediction"] is None
    ratios = {c["users"]: c["ratio"] for c in results["comparisons"] if c["statistic"] == "cost_per_million_good"}
    assert ratios[30] == pytest.approx(1.0, abs=0.02)
    assert ratios[60] == pytest.approx(1.5, rel=0.02)


def test_windows_and_levels_carry_the_three_times_and_the_arrivals(results: dict[str, Any]) -> None:
    window = next(w for w in results["windows"] if w["users"] == 30 and w["stack"] == "pool")
    assert (window["planned"], window["started"], window["dropped"]) == (240, 240, 0)
    assert window["p50_s"] == pytest.approx(0.2, rel=1e-3)
    assert window["response_p50_s"] == pytest.approx(0.2001, rel=1e-3)
    assert window["response_p99_s"] is None, "p99 needs 1000 requests"
    assert window["dispatch_lag_p50_s"] == pytest.approx(0.0001, rel=1e-2)
    level = next(row for row in results["levels"] if row["users"] == 30 and row["stack"] == "pool")
    assert (level["planned"], level["dropped"]) == (960, 0)
    assert level["response_p95_s"]["value"] == pytest.approx(0.2001, rel=1e-3)
    assert results["experiment"]["load_kind"] == "open"
    assert results["experiment"]["arrivals"] == "poisson"


def test_the_statistic_p95_counts_from_the_intended_start(results: dict[str, Any]) -> None:
    """0.7001 s over 0.2001 s, and not 0.7 over 0.2."""
    ratios = {c["users"]: c["ratio"] for c in results["comparisons"] if c["statistic"] == "p95"}
    assert ratios[60] == pytest.approx(0.7001 / 0.2001, rel=2e-3)


def test_no_sentence_speaks_of_users_and_every_page_of_an_open_loop(lab: Lab, results: dict[str, Any]) -> None:
    assert results["verdict"]["answer"].startswith("Above 30 and by 60 requests per second pool starts to cost")
    assert results["verdict"]["answer"].rstrip(".") in results["verdict"]["sentence"]
    notes = [note for cost in results["cost"] for note in cost["notes"]]
    assert any("no tested level up to 80 req/s breaks the objective" in note for note in notes)
    for name in ("report.html", "report.md"):
        text = (lab.folder / name).read_text()
        assert "open loop" in text
        assert "closed loop" not in text.lower()
        assert "Response p99" in text
        assert "Dispatch lag p50" in text
        shown = text.replace(results["experiment"]["question"], "").split("Experiment file")[0]
        assert not re.search(r"\d users?\b|concurrent users", shown), name
    assert not re.search(r"[\d\]] users?\b", (lab.folder / "junit.xml").read_text())


def test_listing_and_comparison_speak_of_rates(lab: Lab, results: dict[str, Any]) -> None:
    (run,) = listing(checkout(lab.folder.parent)).runs
    assert run.verdict == "diverges, in (30, 60] req/s"
    text = comparison_markdown(compare_runs(results, results))
    assert "(30, 60\\] req/s" in text
    assert "| Rate |" in text
    assert not re.search(r"users|closed loop", text)


def test_provenance_says_what_makes_the_schedules(tmp_path: Path) -> None:
    layout, clock = checkout(tmp_path), FakeClock()
    assert describe(make_experiment(), layout, clock, target="local").load is None
    assert describe(_experiment(), layout, clock, target="local").load == {
        "kind": "open",
        "arrivals": "poisson",
        "seed": 7,
        "in_flight_max": 2000,
    }
    own = make_open(make_experiment(), 20, seed=99)
    told = describe(own, layout, clock, target="local").load
    assert told is not None
    assert told["seed"] == 99
