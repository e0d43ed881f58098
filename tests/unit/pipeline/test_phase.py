"""The load generator is told what goes on at every change; a master that cannot be told costs a run nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from builders import make_experiment
from loadlab.analysis.billing import make_tariffs
from loadlab.config.prices import load_price_lists
from loadlab.model.experiment import PriceRef, Resources, UrlService
from loadlab.model.plan import Trial
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.phase import billed, declared, role_of
from simulated_lab import Lab


def _texts(folder: Path, ending: str) -> set[str]:
    return {path.name.removesuffix(ending) for path in (folder / "scrapes").glob(f"*{ending}")}


def test_every_trial_is_told_before_its_users_before_its_window_and_after_its_books(lab: Lab) -> None:
    lab.run()
    with lab.opened() as store:
        planned = [w.id for w in store.load().windows]
    told = [(phase.get("trial"), phase.get("window")) for phase in lab.world.told]
    for window in planned:
        place = told.index((window, ""))
        assert told[place : place + 3] == [(window, ""), (window, window), (None, None)]
    of_first = next(phase for phase in lab.world.told if phase.get("window") == planned[0])
    assert (of_first["users"], of_first["block"], of_first["role"]) == (int(planned[0].split("-")[1]), 1, "sweep")
    assert "warmup" in {phase.get("role") for phase in lab.world.told}


def test_a_master_that_hears_nothing_changes_no_window_and_is_an_event(lab: Lab) -> None:
    lab.world.deaf = "load generator: POST /lab/phase got no answer: ReadTimeoutError"
    lab.run()
    with lab.opened() as store:
        run = store.load()
    assert run.complete
    assert all(not window.notes for window in run.windows)
    said = [event for event in run.events if event["event"] == "phase_not_told"]
    assert {event["reason"] for event in said} == {lab.world.deaf}


def test_the_load_generators_metrics_lie_beside_the_services(lab: Lab) -> None:
    lab.run()
    with lab.opened() as store:
        windows = {window.id: window for window in store.load().windows}
    assert windows.keys() <= _texts(lab.folder, ".generator.om")
    for window in windows.values():
        own = (lab.folder / "scrapes" / f"{window.id}.generator.om").read_text().split("# scraped ")[1:]
        assert len(own) == len(window.resources) + 1, "at open, every second, at close, and after the books"
        moments = [float(piece.split()[0]) for piece in own]
        assert moments == sorted(moments)


def test_a_demand_a_control_and_its_repeat_go_by_their_roles() -> None:
    assert role_of(Trial(id="demand-pool-cpu", block=0, stack="pool", users=2)) == "demand"
    assert role_of(Trial(id="b01-008-pool-aa", block=1, stack="pool", users=8, role="aa")) == "aa"
    assert role_of(Trial(id="b01-008-pool-aa-r2", block=1, stack="pool", users=8, role="repeat")) == "aa"
    assert role_of(Trial(id="b01-008-pool-r1", block=1, stack="pool", users=8, role="repeat")) == "repeat"


def test_what_is_billed_is_the_size_that_is_sold_times_the_replicas_and_no_environment_of_one_request() -> None:
    lists = load_price_lists(checkout().prices)
    refs = (
        PriceRef(list_id="aws-fargate-x86", billing="provisioned"),
        PriceRef(list_id="aws-lambda-x86", billing="per_request_memory"),
    )
    tariffs = make_tariffs(refs, lists, Resources(cpu=Decimal("0.8"), memory_gib=Decimal("1.5")))
    experiment = make_experiment()
    first, second = experiment.stacks
    experiment = replace(experiment, stacks=(first, replace(second, replicas=3)))
    rows = {str(row["stack"]): row for row in billed(experiment, tariffs)}
    assert {row["list"] for row in rows.values()} == {"aws-fargate-x86"}
    assert (rows[first.name]["cpu_cores"], rows[first.name]["memory_gib"]) == (1.0, 2.0)
    assert (rows[second.name]["cpu_cores"], rows[second.name]["memory_gib"]) == (3.0, 6.0)


def test_a_stack_is_said_to_have_what_it_is_given_and_one_that_runs_elsewhere_nothing() -> None:
    first, second = make_experiment().stacks
    experiment = replace(make_experiment(), stacks=(replace(first, replicas=3), second))
    assert declared(experiment, "quick-1", ())["cores"] == {first.name: 3.0, second.name: 1.0}
    assert declared(experiment, "quick-1", (), 0.8)["cores"] == {first.name: pytest.approx(2.4), second.name: 0.8}
    elsewhere = replace(first, service=UrlService(url="http://127.0.0.1:9"))
    assert declared(replace(experiment, stacks=(elsewhere,)), "quick-1", ())["cores"] == {}


def test_every_price_of_an_experiment_is_named_whatever_it_bills_by() -> None:
    refs = (
        PriceRef(list_id="aws-fargate-x86", billing="provisioned"),
        PriceRef(list_id="aws-lambda-x86", billing="per_request_memory"),
    )
    tariffs = make_tariffs(refs, load_price_lists(checkout().prices), Resources())
    assert declared(make_experiment(), "quick-1", tariffs)["prices"] == [
        {"list": ref.list_id, "billing": ref.billing} for ref in refs
    ]


def test_a_run_without_a_claim_declares_none() -> None:
    experiment = make_experiment()
    said = declared(experiment, "quick-1", ())
    assert said["stacks"] == [stack.name for stack in experiment.stacks]
    assert ("claimed_users" in said) == (experiment.decision.claimed_users is not None)
