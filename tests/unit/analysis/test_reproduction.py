"""What is printed to make a run again can be typed as it is."""

from __future__ import annotations

from dataclasses import replace

from builders import make_demand, make_experiment, make_provenance, make_window
from builders_cost import demand
from loadlab.analysis.assessment import place
from loadlab.analysis.mishaps import demand_findings, origin_findings, own_wait_findings
from loadlab.analysis.reproduction import reproduction
from loadlab.model.experiment import CommandService
from loadlab.model.run import Provenance, RunData


def _run(provenance: Provenance) -> RunData:
    return RunData(run_id="unit-run", windows=(), demands=(), provenance=provenance, complete=True)


def test_the_commands_name_the_revision_the_program_and_the_hosts() -> None:
    provenance = replace(make_provenance(), git_revision="abc", git_dirty=False, allowed_hosts=("api.example.org",))
    assert reproduction(make_experiment(), _run(provenance)) == (
        "git checkout abc",
        ".venv/bin/loadlab run runs/unit-run/experiment.toml --target local --allow-target api.example.org",
    )


def test_options_of_the_scenario_that_the_environment_had_are_set_again() -> None:
    load: dict[str, str | int] = {"kind": "open", "seed": 7, "LAB_HOLD_S": "2 s", "LAB_CPU_N": "50000"}
    (command,) = reproduction(make_experiment(), _run(replace(make_provenance(), load=load)))
    assert command.startswith("LAB_CPU_N=50000 LAB_HOLD_S='2 s' .venv/bin/loadlab run ")


def test_values_that_a_bundle_does_not_keep_are_to_be_filled_in() -> None:
    services = {"mine": CommandService(command=("serve",), env={"KEY": "(not kept)"})}
    (command,) = reproduction(make_experiment(services=services), _run(make_provenance()))
    assert command.endswith("--set stack.mine.env.KEY=...")


def test_a_checkout_with_changes_is_told_and_not_checked_out() -> None:
    run = _run(replace(make_provenance(), git_revision="abcdef0123456789", git_dirty=True))
    assert reproduction(make_experiment(), run)[0].startswith(".venv/bin/loadlab")
    (found,) = origin_findings(run)
    assert (found.code, found.level, found.got) == ("dirty_tree", "info", "files differ from abcdef012345")
    assert origin_findings(_run(make_provenance())) == ()


def test_users_that_wait_as_they_like_are_a_warning_that_names_them() -> None:
    quiet = make_window()
    own = replace(quiet, load=replace(quiet.load, own_waits=("Shopper",)))
    run = _run(make_provenance())
    assert own_wait_findings(replace(run, windows=(quiet,))) == ()
    (found,) = own_wait_findings(replace(run, windows=(quiet, own)))
    assert (found.code, found.level, found.got) == ("own_wait", "warning", "Shopper; how long was not measured")
    seen = replace(make_demand("pool"), own_waits=("Shopper",), think_s=3.0, think_requests=30)
    (found,) = own_wait_findings(replace(run, windows=(own,), demands=(seen,)))
    assert found.got == "Shopper; 3.00 s on average for pool"


def test_a_demand_that_was_measured_in_doubt_is_a_warning_with_its_gates() -> None:
    run = replace(_run(make_provenance()), demands=(demand(), replace(demand(), doubts=("lag", "steal"))))
    (found,) = demand_findings(run)
    assert (found.code, found.level, found.got) == ("demand_unsettled", "warning", "lag, steal")


def test_the_verdict_says_what_the_stacks_ran_on() -> None:
    here = make_provenance()
    assert place(here) == "this machine"
    assert place(replace(here, allowed_hosts=("api.example.org",))) == "services on api.example.org"
