"""Every experiment that the repository ships can be run as it stands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from loadlab.config import Catalogue, check_targets, dump_experiment, load_experiment, parse_experiment
from loadlab.model.experiment import ClosedLoad, CommandService, OurService

FILES = sorted(Catalogue.of_repository().experiments.rglob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_experiment_is_valid_and_named_after_its_file(path: Path) -> None:
    experiment = load_experiment(str(path))
    assert experiment.id == path.stem
    assert len(experiment.stacks) == 2
    check_targets(experiment, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_experiment_survives_being_written_into_a_bundle(path: Path) -> None:
    experiment = load_experiment(str(path))
    assert parse_experiment(dump_experiment(experiment), path) == experiment


def test_the_quick_plan_is_the_one_of_the_method() -> None:
    quick = load_experiment("quick")
    assert isinstance(quick.load, ClosedLoad)
    assert quick.load.users is None
    assert (quick.blocks.levels, quick.blocks.level_step_ratio, quick.blocks.count) == (5, 1.2, 4)
    assert (quick.window.measure_s, quick.decision.margin_ratio) == (3.0, 0.10)
    assert (quick.stacks[0].workers, quick.stacks[0].slots_per_worker) == (1, 48)
    assert [ref.billing for ref in quick.prices] == ["provisioned", "request_billed", "per_request_memory", "usage"]


@pytest.mark.parametrize(
    ("name", "workers", "threads", "reuse_port"),
    [
        ("threshold-16", 1, 16, None),
        ("threshold-4x12-accept-race", 4, 12, None),
        ("threshold-4x12-reuse-port", 4, 12, True),
        ("threshold-50", 1, 48, None),
        ("threshold-50-placed", 1, 48, None),
    ],
)
def test_the_variations_of_the_law_hold_the_slots_they_name(
    name: str, workers: int, threads: int, reuse_port: bool | None
) -> None:
    stack = load_experiment(name).stacks[0]
    assert isinstance(stack.service, OurService)
    assert (stack.workers, stack.slots_per_worker) == (workers, threads)
    assert stack.service.settings.get("reuse_port") == reuse_port


def test_the_example_of_own_services_names_files_that_are_there(catalogue: Catalogue) -> None:
    experiment = load_experiment("own-service")
    for stack in experiment.stacks:
        assert isinstance(stack.service, CommandService)
        assert stack.service.cwd == catalogue.locustfiles.parent
        module, _, name = stack.service.command[-1].partition(":")
        tree = ast.parse((catalogue.experiments / "examples" / f"{module}.py").read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
