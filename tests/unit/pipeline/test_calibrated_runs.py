"""A run says whether its machine was calibrated, and is judged by what was found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from builders import make_experiment
from builders_calibration import make_calibration
from loadlab.execute.calibration_file import identity, write_calibration
from loadlab.execute.clock import SystemClock
from loadlab.execute.machine import Machine
from loadlab.model.calibration import Reach
from loadlab.model.cluster import ClusterFacts
from loadlab.model.run import Provenance
from loadlab.pipeline.finish import analyse_bundle
from loadlab.pipeline.layout import Layout, checkout
from loadlab.pipeline.provenance import describe, on_cluster
from simulated_lab import make_lab


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """This checkout, with a state folder of its own."""
    return replace(checkout(tmp_path / "runs"), state=tmp_path / "state")


def _described(layout: Layout) -> Provenance:
    return describe(make_experiment(), layout, SystemClock(), target="local")


def _calibrate(layout: Layout, **changes: object) -> None:
    found = make_calibration(identity=identity(Machine(), checkout().root), made_unix_s=SystemClock().unix_s())
    assert layout.state is not None
    write_calibration(layout.state, replace(found, **changes))  # type: ignore[arg-type]


def test_a_machine_that_was_never_calibrated_is_uncalibrated(layout: Layout) -> None:
    described = _described(layout)
    assert (described.calibration, described.truthful) == ("uncalibrated", None)
    assert _described(replace(layout, state=None)).calibration == "uncalibrated"


def test_runs_that_keep_cores_awake_cite_a_calibration_of_their_own(layout: Layout) -> None:
    asleep = make_experiment()
    awake = replace(asleep, window=replace(asleep.window, keep_awake=True))
    _calibrate(layout)
    assert describe(awake, layout, SystemClock(), target="local").calibration == "uncalibrated"
    made_with = identity(Machine(), checkout().root, keep_awake=True)
    _calibrate(layout, identity=made_with, bias_p50_ratio=0.009)
    assert "bias p50 +0.90 %" in describe(awake, layout, SystemClock(), target="local").calibration
    assert "bias p50 +0.40 %" in describe(asleep, layout, SystemClock(), target="local").calibration


def test_a_calibrated_machine_is_cited_and_its_reach_kept(layout: Layout) -> None:
    _calibrate(layout)
    described = _described(layout)
    assert described.calibration.startswith("calibrated today on this machine: bias p50 +0.40 %")
    assert described.truthful is not None
    assert described.truthful.rate_rps == Reach(most=4100.0, beyond=5000.0)


def test_another_version_of_the_generator_is_uncalibrated_with_the_reason(layout: Layout) -> None:
    _calibrate(layout, identity={**identity(Machine(), checkout().root), "locust": "1.0"})
    assert _described(layout).calibration.startswith("uncalibrated: calibrated with locust 1.0, now ")


def test_another_generator_of_the_same_version_is_uncalibrated(layout: Layout, tmp_path: Path) -> None:
    """Its modules, not its scenarios: a locustfile of one's own is no other generator."""
    _calibrate(layout)
    elsewhere = replace(layout, root=tmp_path / "checkout")
    shutil.copytree(layout.locustfiles, elsewhere.locustfiles, ignore=shutil.ignore_patterns("__pycache__"))
    (elsewhere.locustfiles / "mine.py").write_text("# a scenario\n", encoding="utf-8")
    assert _described(elsewhere).truthful is not None
    with (elsewhere.locustfiles / "_arrivals.py").open("a", encoding="utf-8") as dispatcher:
        dispatcher.write("# another\n")
    described = _described(elsewhere)
    assert described.truthful is None
    assert described.calibration.startswith("uncalibrated: calibrated with locustfiles ")


def test_a_generator_in_a_cluster_is_uncalibrated_whatever_this_machine_is(layout: Layout) -> None:
    _calibrate(layout)
    facts = ClusterFacts(
        kind="kind",
        uid="u",
        server_version="v1.36.0",
        kubectl_version="v1.36.0",
        nodes=(),
        cpu_limit_cores=0.8,
        memory_limit="1Gi",
    )
    described = on_cluster(_described(layout), facts)
    assert described.calibration.startswith("uncalibrated: the load generator ran in a cluster")
    assert described.truthful is None


@pytest.mark.parametrize(("most_rps", "valid"), [(1e6, True), (0.5, False)])
def test_windows_are_held_to_what_the_machine_was_calibrated_for(layout: Layout, most_rps: float, valid: bool) -> None:
    _calibrate(layout, rate=Reach(most=most_rps, beyond=2 * most_rps))
    lab = make_lab(make_experiment(), layout.runs / "unit-run")
    lab.run()
    described = _described(layout)
    with lab.opened() as store:
        known = replace(store.provenance(), calibration=described.calibration, truthful=described.truthful)
        store.put_provenance(known)
    results = analyse_bundle(lab.folder, layout).results
    codes = {finding["code"] for finding in results["findings"]}
    assert ("beyond_calibration" in codes) is not valid
    assert "uncalibrated" not in codes
    assert not any("uncalibrated" in doubt for doubt in results["verdict"]["doubts"])
    assert results["provenance"]["truthful"]["rate_rps"]["most"] == most_rps
