"""From a simulated run through its bundle to the verdict: what the truth is, whatever happened on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import make_experiment
from loadlab.config import load_experiment
from loadlab.errors import BundleError, LoadError
from loadlab.model.experiment import Experiment, PriceRef
from loadlab.pipeline.finish import analyse_bundle, current_report, render
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.listing import listing
from loadlab.report.tables import stack_table
from loadlab.report.view import key_figures
from simulated import Truth
from simulated_lab import Lab, make_lab


def _experiment() -> Experiment:
    return make_experiment(blocks=4, measure_s=8.0)


def _results(lab: Lab) -> dict[str, Any]:
    analyse_bundle(lab.folder, checkout(lab.folder.parent))
    found: dict[str, Any] = orjson.loads((lab.folder / "results.json").read_bytes())
    return found


def _answer(results: dict[str, Any]) -> tuple[str, int | None, int | None, str | None]:
    bracket = results["bracket"]
    return results["verdict"]["kind"], bracket["lower_users"], bracket["upper_users"], results["claim"]["answer"]


TRUTH = ("diverges", 8, 10, "supported")


def test_a_pool_of_eight_slots_diverges_where_the_law_says(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert _answer(results) == TRUTH
    assert results["verdict"]["exit_code"] == 0
    assert results["prediction"]["users"] == pytest.approx(8.8, rel=0.02)
    assert results["aa"]["fired"] is False


AGREED: Mapping[str, tuple[str, ...]] = {
    "schema": (),
    "experiment": (),
    "verdict": ("kind", "sentence"),
    "bracket": ("lower_users", "upper_users"),
    "claim": ("users", "answer"),
    "prediction": ("users", "miss_ratio"),
    "aa": ("fired", "resolution_ratio"),
    "comparisons": (
        *("users", "statistic", "list", "billing", "ratio", "lower_ratio", "upper_ratio", "blocks", "repeats"),
    ),
    "stacks": (),
    "windows": (
        *("id", "stack", "users", "block", "valid", "reasons", "sent", "ok", "failed", "p50_s", "p95_s", "p99_s"),
        *("goodput_rps", "cpu_s_per_request", "pss_bytes"),
    ),
    "cost": (),
    "findings": (),
    "provenance": (),
}
"""The keys that other programs may rely on: the least that results.json has (docs/run-bundle.md has all)."""


def test_results_json_has_every_key_that_was_agreed(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert set(AGREED) <= set(results)
    for key, wanted in AGREED.items():
        rows = results[key] if isinstance(results[key], list) else [results[key]]
        assert rows, key
        if wanted:
            assert all(set(wanted) <= set(row) for row in rows), key


def test_the_queue_of_a_pool_is_on_no_bill_of_one_request_per_environment(tmp_path: Path) -> None:
    """On a shared replica the pool of 8 parts between 8 and 10 users; one request each costs 200 ms at any number."""
    fargate = PriceRef(list_id="aws-fargate-x86", billing="provisioned")
    alone = PriceRef(list_id="aws-lambda-x86", billing="per_request_memory")
    lab = make_lab(make_experiment(blocks=4, measure_s=8.0, prices=(fargate, alone)), tmp_path / "unit-run")
    lab.run()
    results = _results(lab)
    assert _answer(results) == TRUTH
    curves = {(c["statistic"], c["billing"]): c for c in results["brackets"]}
    per_request = curves["cost_per_million_good", "per_request_memory"]
    assert per_request["bracket"]["kind"] == "no_divergence"
    assert per_request["constant_ratio"]["value"] == pytest.approx(1.0, abs=0.01)
    assert per_request["constant_ratio"]["interval"] is not None
    billed = {c["usd_per_million_good"] for c in results["cost"] if c["billing"] == "per_request_memory"}
    assert min(billed) >= 6.866680
    assert max(billed) <= 6.933347
    assert len({(c["stack"], c["usd_per_million_good"]) for c in results["cost"] if c["list"] == alone.list_id}) == 2


def test_the_shipped_plan_of_replicas_decides_dollars_per_hour(tmp_path: Path) -> None:
    """Truth: flask answers 240/s and holds 300 ms up to 72 users, fastapi 1300/s and up to 390.

    So a replica is filled to 40 and to 160 users, and whole replicas part between 40 and 80 users.
    """
    experiment = load_experiment("replicas-at-objective")
    truths = {"flask": Truth(slots=48), "fastapi": Truth(slots=260)}
    lab = make_lab(experiment, tmp_path / "unit-run", truths)
    lab.run()
    results = _results(lab)
    assert _answer(results) == ("diverges", 40, 80, None)
    cost = {(c["stack"], c["users"]): c for c in results["cost"] if c["list"] == "aws-fargate-x86"}
    assert {stack: cost[stack, 40]["users_per_replica"] for stack in truths} == {"flask": 40, "fastapi": 160}
    hourly = {key: c["usd_per_hour_at_users"] for key, c in cost.items()}
    assert hourly["flask", 480] == pytest.approx(12 * 0.04937)
    assert hourly["fastapi", 480] == pytest.approx(3 * 0.04937)


@pytest.mark.parametrize(
    ("latency_s", "held", "answer", "tile"),
    [
        (0.3, 8, "pool holds 95 % of requests within 300 ms up to 8 users", "highest tested level that holds"),
        (
            1.0,
            None,
            "What pool holds stays open: no tested level up to 16 users breaks the objective (95 % of",
            "no tested level breaks the objective",
        ),
        (
            0.1,
            None,
            "What pool holds stays open: the lowest tested level, 4 users, misses the objective (95 % of",
            "the objective is missed at 4 users already",
        ),
    ],
)
def test_what_one_stack_holds_is_told_without_a_price_and_with_what_is_open(
    tmp_path: Path, latency_s: float, held: int | None, answer: str, tile: str
) -> None:
    """Truth: up to 8 users an answer takes 200 ms, with 16 it takes 400 ms."""
    asked = make_experiment(blocks=2, users=(4, 8, 16), prices=())
    goodput = replace(asked.decision, statistic="goodput")
    goal = replace(asked.objective, latency_s=latency_s)
    alone = replace(asked, stacks=asked.stacks[:1], decision=goodput, objective=goal)
    lab = make_lab(alone, tmp_path / "unit-run", {"pool": Truth(slots=8)})
    lab.run()
    results = _results(lab)
    assert results["stacks"][0]["users_per_replica"] == held
    assert results["verdict"]["answer"].startswith(answer)
    (figure,) = [one for one in key_figures(results) if one.term == "Users a replica holds: pool"]
    assert figure.detail.startswith(tile)
    assert tile in str(stack_table(results).rows) or held is not None


def test_two_equal_stacks_do_not_diverge(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run", {"pool": Truth(), "loop": Truth()})
    lab.run()
    assert _results(lab)["verdict"]["kind"] == "no_divergence"


def test_an_interrupted_and_resumed_run_gives_the_verdict_of_a_clean_one(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run")

    def interrupt() -> None:
        raise KeyboardInterrupt

    lab.world.during["b03-010-loop"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        lab.run()
    partly = _results(lab)
    assert partly["counts"]["blocks"] == 2
    lab.run()
    results = _results(lab)
    assert _answer(results) == TRUTH
    assert results["counts"]["interrupted_blocks"] == 1
    assert results["counts"]["blocks"] == 4


def test_trouble_on_the_way_is_repeated_counted_and_does_not_change_the_verdict(tmp_path: Path) -> None:
    lab = make_lab(_experiment(), tmp_path / "unit-run")
    lab.world.during["b01-010-pool"] = lab.world.lose_worker
    lab.world.during["b02-008-loop"] = lambda: lab.world.kill("loop")
    lab.world.refusals["b03-006-pool"] = 1
    lab.run()
    results = _results(lab)
    assert _answer(results) == TRUTH
    counts = results["counts"]
    assert counts["reasons"] == {"partial": 1, "note": 1}
    assert counts["repeated"] > 0
    assert counts["missing_pairs"] == 0
    mishaps = {f["code"]: f for f in results["findings"] if f["level"] == "warning" and f["expected"] == "none"}
    assert {code: f["got"] for code, f in mishaps.items()} == {
        "stacks_restarted": "1 time",
        "trial_lost": "1 time",
        "generator_healed": "1 time",
    }
    assert "loop was killed by SIGKILL" in mishaps["stacks_restarted"]["message"]
    assert "b03-006-pool: load generator: POST /swarm" in mishaps["trial_lost"]["message"]


def test_a_report_is_rendered_again_byte_for_byte(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(), tmp_path / "unit-run")
    lab.run()
    report = analyse_bundle(lab.folder, checkout(tmp_path))
    names = ("results.json", "report.html", "report.md")
    first = [(lab.folder / name).read_bytes() for name in names]
    render(lab.folder)
    assert [(lab.folder / name).read_bytes() for name in names] == first
    analyse_bundle(lab.folder, checkout(tmp_path))
    assert [(lab.folder / name).read_bytes() for name in names] == first
    assert report.html.is_file()


def test_a_run_without_a_finished_block_says_how_to_go_on(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(), tmp_path / "unit-run")
    lab.world.refusals[""] = 99
    with pytest.raises(LoadError):
        lab.run()
    with pytest.raises(BundleError, match=r"nothing was measured, .*; start the run anew"):
        analyse_bundle(lab.folder, checkout(tmp_path))
    lab.world.refusals = {"b01-008-pool": 99}
    with pytest.raises(LoadError):
        lab.run()
    with pytest.raises(BundleError, match=f"no block was finished, .*loadlab run --resume {lab.folder}"):
        analyse_bundle(lab.folder, checkout(tmp_path))
    with pytest.raises(BundleError, match=f"results.json: there is none; .*loadlab report {lab.folder}"):
        render(lab.folder)


@pytest.mark.parametrize("damage", [b'{"verdict": ', b"[]", b'{"verdict": 1}', b""])
def test_the_listing_tells_reported_runs_from_unfinished_and_damaged_ones(tmp_path: Path, damage: bytes) -> None:
    labs = [
        make_lab(make_experiment(users=(8,)), tmp_path / name) for name in ("a-reported", "b-unfinished", "c-damaged")
    ]
    for lab in labs:
        lab.run()
    for lab in (labs[0], labs[2]):
        _results(lab)
    (tmp_path / "c-damaged" / "results.json").write_bytes(damage)
    runs = listing(checkout(tmp_path)).runs
    assert [(run.id, run.state) for run in runs] == [
        ("a-reported", "reported"),
        ("b-unfinished", "unfinished"),
        ("c-damaged", "unreadable"),
    ]
    assert "results.json" in runs[2].fault
    assert runs[0].experiment == "unit"
    assert runs[0].verdict == "inconclusive, claim of 9 inconclusive"
    assert runs[1].next_step == f".venv/bin/loadlab run --resume {tmp_path / 'b-unfinished'}"


@pytest.mark.parametrize("damage", [b"not JSON", b"{}", None])
@pytest.mark.parametrize("reported", [True, False])
def test_the_listing_claims_no_verdict_of_a_run_that_report_refuses(
    tmp_path: Path, damage: bytes | None, *, reported: bool
) -> None:
    lab = make_lab(make_experiment(users=(8,)), tmp_path / "unit-run")
    lab.run()
    if reported:
        _results(lab)
    provenance = lab.folder / "provenance.json"
    provenance.unlink()
    if damage is not None:
        provenance.write_bytes(damage)
    with pytest.raises(BundleError) as refused:
        current_report(lab.folder, checkout(tmp_path))
    (run,) = listing(checkout(tmp_path)).runs
    assert (run.state, run.verdict, run.next_step) == ("unreadable", "", "")
    assert run.fault == str(refused.value)
    assert "provenance.json" in run.fault


def test_the_listing_claims_no_verdict_of_results_by_a_newer_program(tmp_path: Path) -> None:
    lab = make_lab(make_experiment(users=(8,)), tmp_path / "unit-run")
    lab.run()
    newer = {**_results(lab), "schema": 99}
    (lab.folder / "results.json").write_bytes(orjson.dumps(newer))
    (run,) = listing(checkout(tmp_path)).runs
    assert (run.state, run.verdict) == ("unreadable", "")
    assert "was written by a newer loadlab" in run.fault


def test_the_listing_tells_a_run_that_goes_on_and_one_that_failed_at_its_start(tmp_path: Path) -> None:
    going, failed = (make_lab(make_experiment(users=(8,)), tmp_path / name) for name in ("a-going", "b-failed"))
    failed.world.refusals[""] = 99
    with pytest.raises(LoadError):
        failed.run()
    with going.opened():
        runs = listing(checkout(tmp_path)).runs
        with pytest.raises(BundleError, match=rf"it is running \(process {os.getpid()}\) and no block is finished yet"):
            analyse_bundle(going.folder, checkout(tmp_path))
        with pytest.raises(BundleError, match=rf"another loadlab \(process {os.getpid()}\) is writing this run"):
            going.run()
    assert [(run.id, run.state, run.pid, run.next_step) for run in runs] == [
        ("a-going", "running", os.getpid(), ""),
        ("b-failed", "failed at start", None, ""),
    ]
    assert {run.experiment for run in runs} == {"unit"}
    assert listing(checkout(tmp_path)).runs[0].state == "failed at start"
