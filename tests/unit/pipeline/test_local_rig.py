"""What is checked before anything is started on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from builders import LOCUSTFILES, make_experiment, make_sample, make_window, make_worker
from loadlab.errors import DeployError, UsageError
from loadlab.execute.activity import BusyProcess
from loadlab.execute.clock import SystemClock
from loadlab.execute.cores import split_cores
from loadlab.execute.machine import Machine
from loadlab.execute.store import BundleStore
from loadlab.model.experiment import Resources, Scenario
from loadlab.pipeline.demand import shares
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.local_rig import cores_for, headers, local_rig, locust_files, sharing
from simulated_lab import Watcher


def test_a_fraction_of_a_core_is_refused_on_this_target() -> None:
    experiment = replace(make_experiment(), resources=Resources(cpu=Decimal("0.8")))
    with pytest.raises(UsageError, match=r"resources.cpu: got 0.8, .*whole cores only.*--target kubernetes"):
        cores_for(experiment)


def test_more_cores_than_the_machine_has_are_refused() -> None:
    with pytest.raises(DeployError, match=r"resources.cpu: got 4096"):
        cores_for(replace(make_experiment(), resources=Resources(cpu=Decimal(4096))))


def test_cores_are_not_kept_awake_at_the_cost_of_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "cpu_quota_cores", lambda _: 0.5)
    asleep = make_experiment()
    awake = replace(asleep, window=replace(asleep.window, keep_awake=True))
    with pytest.raises(UsageError, match=r"window.keep_awake: a control group lets 0.50 cores be used"):
        cores_for(awake)
    assert cores_for(asleep).sut


def test_headers_take_their_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(user_class="U", locustfile=Path("u.py"), headers_from_env={"X-Key": "LAB_TEST_KEY"})
    monkeypatch.setenv("LAB_TEST_KEY", "s3cret")
    assert headers(scenario) == {"X-Key": "s3cret"}
    monkeypatch.delenv("LAB_TEST_KEY")
    with pytest.raises(UsageError, match="header X-Key: environment variable LAB_TEST_KEY is not set"):
        headers(scenario)


def test_a_lab_scenario_loads_every_lab_scenario_and_no_helper() -> None:
    scenario = Scenario(user_class="IoBoundUser", locustfile=LOCUSTFILES / "io_bound.py")
    names = {path.name for path in locust_files(scenario, LOCUSTFILES)}
    assert {"io_bound.py", "mixed.py"} <= names
    assert not any(name.startswith("_") for name in names)


def test_somebody_s_own_locustfile_is_loaded_beside_the_lab_s_hooks(tmp_path: Path) -> None:
    mine = Scenario(user_class="MyUser", locustfile=tmp_path / "mine.py")
    assert locust_files(mine, LOCUSTFILES) == [tmp_path / "mine.py", LOCUSTFILES / "lab_plugin.py"]


@pytest.mark.parametrize(
    ("connections", "wanted"),
    [([30, 10, 60], (0.6, 0.3, 0.1)), ([5, None], (1.0,)), ([None, None], ()), ([0, 0], ()), ([], ())],
)
def test_connections_become_shares_largest_first(connections: list[int | None], wanted: tuple[float, ...]) -> None:
    workers = tuple(make_worker(pid=n + 2, connections=held) for n, held in enumerate(connections))
    master = make_worker(pid=1, role="master", connections=99)
    sample = replace(make_sample(), workers=(master, *workers))
    assert shares(make_window(resources=[sample])) == pytest.approx(wanted)


def test_without_samples_there_are_no_shares() -> None:
    assert shares(make_window(resources=())) == ()


def test_a_run_beside_a_lab_that_is_up_is_told_what_it_is_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = BusyProcess(pid=8, name="upstream", cpu_cores=0.0, contained=True)
    monkeypatch.setattr("loadlab.pipeline.local_rig.left_over_processes", lambda: (pod,))
    watcher = Watcher()
    with local_rig(make_experiment(), checkout(tmp_path), BundleStore(tmp_path, SystemClock()), watcher):
        pass
    (line,) = [line for line in watcher.messages if "two runs at the same time" in line]
    assert "upstream (pid 8) (in containers: a lab that is up);" in line


@pytest.mark.parametrize("others", [(), (BusyProcess(pid=7, name="flask_gunicorn", cpu_cores=0.0),)])
def test_a_run_beside_another_one_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[BusyProcess, ...]
) -> None:
    monkeypatch.setattr("loadlab.pipeline.local_rig.left_over_processes", lambda: others)
    watcher = Watcher()
    store = BundleStore(tmp_path, SystemClock())
    with local_rig(make_experiment(), checkout(tmp_path), store, watcher):
        pass
    told = [line for line in watcher.messages if "two runs at the same time" in line]
    assert ["flask_gunicorn (pid 7)" in line for line in told] == [True] * len(others)


@pytest.mark.parametrize(("left", "told"), [(1, 0), (0, 1)])
def test_a_run_whose_stack_shares_its_cores_with_the_load_generator_is_told_so(
    tmp_path: Path, left: int, told: int
) -> None:
    mine = len(os.sched_getaffinity(0)) - left
    if not mine:
        pytest.fail("this machine has one core; the lab's tests need two")
    watcher = Watcher()
    experiment = replace(make_experiment(), resources=Resources(cpu=Decimal(mine)))
    with local_rig(experiment, checkout(tmp_path), BundleStore(tmp_path, SystemClock()), watcher):
        pass
    assert len([line for line in watcher.messages if "load generator and stack share core" in line]) == told


def test_what_to_do_about_shared_cores_depends_on_whether_fewer_would_do() -> None:
    two, one = sharing(split_cores(frozenset({0, 1}), 2)), sharing(split_cores(frozenset({3}), 1))
    assert two is not None
    assert one is not None
    assert "cores 0, 1, because resources.cpu = 2" in two
    assert two.endswith("set resources.cpu = 1 or lower, or use a machine with more cores")
    assert "core 3, because resources.cpu = 1" in one
    assert one.endswith("most windows; use a machine with more cores")
    assert sharing(split_cores(frozenset({0, 1}), 1)) is None
