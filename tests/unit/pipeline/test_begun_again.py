"""A resume goes on with the run that was begun: same machine, same load; other files of the lab are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from builders import make_provenance
from loadlab.errors import PROGRAM, BundleError
from loadlab.model.cluster import ClusterFacts, NodeFacts
from loadlab.model.run import Provenance
from loadlab.pipeline.bundle import begin_again, resume_command
from simulated_lab import Lab


def _begun_again(lab: Lab, old: Provenance, fresh: Provenance) -> Provenance:
    with lab.opened() as store:
        store.put_provenance(old)
        begin_again(store, fresh)
        return store.provenance()


def test_another_machine_is_refused_and_the_bundle_stays_as_it_was(lab: Lab) -> None:
    old = make_provenance()
    with pytest.raises(BundleError, match="begun on another machine; blocks of two machines cannot be one run"):
        _begun_again(lab, old, replace(old, machine_id="another"))
    with lab.opened() as store:
        assert store.provenance() == old


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"LAB_CPU_N": "7"}, None, "got no LAB_CPU_N, expected LAB_CPU_N=7; blocks of two loads"),
        (
            {"kind": "open", "LAB_CPU_N": "7"},
            {"kind": "open", "LAB_CPU_N": "8"},
            "got LAB_CPU_N=8, expected LAB_CPU_N=7",
        ),
        (
            None,
            {"LAB_HOLD_S": "1", "LAB_CPU_N": "8"},
            "got LAB_CPU_N=8, LAB_HOLD_S=1, expected no LAB_CPU_N, no LAB_HO",
        ),
    ],
)
def test_options_of_the_scenario_that_are_not_as_they_were_are_refused(
    lab: Lab, was: Mapping[str, str] | None, now: Mapping[str, str] | None, said: str
) -> None:
    old = replace(make_provenance(), load=was)
    with pytest.raises(BundleError, match=f"{re.escape(said)}.*") as refused:
        _begun_again(lab, old, replace(old, load=now))
    assert str(refused.value).endswith("Set it as it was and resume, or start a new run")
    with lab.opened() as store:
        assert store.provenance() == old


def test_a_resume_with_the_same_options_is_noted_with_its_time(lab: Lab) -> None:
    old = replace(make_provenance(), load={"LAB_CPU_N": "7"}, resumed=(5.0,))
    kept = _begun_again(lab, old, replace(old, started_unix_s=9.0, allowed_hosts=("api.example.org",)))
    assert kept == replace(old, resumed=(5.0, 9.0), allowed_hosts=("api.example.org",))


@pytest.mark.parametrize(
    ("was", "now", "dirty"),
    [
        (("abc", False), ("abc", False), False),
        (("abc", False), ("abc", True), True),
        (("abc", True), ("abc", False), True),
        (("abc", False), ("def", False), True),
        (("abc", False), (None, None), False),
        ((None, None), ("abc", False), None),
    ],
)
def test_a_run_that_went_on_with_other_files_is_no_run_of_its_revision(
    lab: Lab, was: tuple[str | None, bool | None], now: tuple[str | None, bool | None], dirty: bool | None
) -> None:
    old, fresh = (replace(make_provenance(), git_revision=one[0], git_dirty=one[1]) for one in (was, now))
    kept = _begun_again(lab, old, fresh)
    assert (kept.git_revision, kept.git_dirty) == (was[0], dirty)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"packages": {"locust": "2.48"}}, "got locust=2.48, expected locust=2.47"),
        ({"machine": {"kernel": "7.0", "cores_allowed": "0"}}, "got kernel=7.0, expected kernel=6.1"),
        ({"machine": {"kernel": "6.1", "cores_allowed": "0-3"}}, "got cores_allowed=0-3, expected cores_allowed=0"),
        ({"sources": "b" * 16}, f"got the lab's own sources={'b' * 16}, expected the lab's own sources={'a' * 16}"),
        ({"loadlab_version": "99.0"}, "got loadlab=99.0, expected loadlab="),
    ],
)
def test_other_software_or_cores_are_refused_and_the_bundle_stays_as_it_was(
    lab: Lab, changed: Mapping[str, object], said: str
) -> None:
    old = replace(make_provenance(), machine={"kernel": "6.1", "cores_allowed": "0"}, sources="a" * 16)
    with pytest.raises(BundleError, match=re.escape(said)) as refused:
        _begun_again(lab, old, replace(old, **changed))  # type: ignore[arg-type]
    assert str(refused.value).endswith("Set it as it was and resume, or start a new run")
    with lab.opened() as store:
        assert store.provenance() == old


FACTS = ClusterFacts(
    kind="cluster",
    uid="u",
    server_version="v1.36.1",
    kubectl_version="v1.36.3",
    nodes=(
        NodeFacts(
            name="a", role="sut", cores=2.0, memory="4Gi", kernel="6", system="d", runtime="c", kubelet="v1.36.1",
            architecture="amd64",
        ),
    ),
    cpu_limit_cores=1.0,
    memory_limit="512Mi",
    workers=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"workers": 1}, "got LAB_WORKERS=1, expected LAB_WORKERS=2"),
        ({"server_version": "v1.37.0"}, "got Kubernetes=v1.37.0, expected Kubernetes=v1.36.1"),
        ({"nodes": FACTS.nodes * 2}, "got nodes=sut: 2 cores, kernel 6, kubelet v1.36.1, amd64 + sut: 2 cores"),
        ({"nodes": (replace(FACTS.nodes[0], cores=8.0),)}, "got nodes=sut: 8 cores, kernel 6, kubelet v1.36.1, amd64"),
    ],
)
def test_another_cluster_or_load_generator_is_refused(lab: Lab, changed: Mapping[str, object], said: str) -> None:
    old = replace(make_provenance(), cluster=FACTS)
    fresh = replace(old, cluster=replace(FACTS, **changed))  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=re.escape(said)):
        _begun_again(lab, old, fresh)


def test_a_node_of_the_same_kind_and_workers_that_nobody_noted_are_no_other_cluster(lab: Lab) -> None:
    of_before = replace(FACTS, workers=None)
    replaced = replace(FACTS, nodes=(replace(FACTS.nodes[0], name="b"),))
    for was in (FACTS, of_before):
        old = replace(make_provenance(), cluster=was)
        assert _begun_again(lab, old, replace(old, cluster=replaced, started_unix_s=9.0)).resumed[-1] == 9.0


def test_a_run_with_other_workers_than_the_lab_says_so_in_the_command_that_goes_on(tmp_path: Path) -> None:
    assert (
        resume_command(tmp_path, ("h",), workers="2")
        == f"LAB_WORKERS=2 {PROGRAM} run --resume {tmp_path} --allow-target h"
    )
    assert resume_command(tmp_path, ()) == f"{PROGRAM} run --resume {tmp_path}"


def test_facts_that_a_bundle_of_before_does_not_have_are_not_missed(lab: Lab) -> None:
    old = replace(make_provenance(), packages={}, machine={})
    fresh = replace(old, packages={"locust": "2.47"}, machine={"kernel": "6.1"}, sources="a" * 16, started_unix_s=9.0)
    assert _begun_again(lab, old, fresh).resumed == (9.0,)
