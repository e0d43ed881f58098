"""A resume goes on with the run that was begun: same machine, same load; other files of the lab are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from builders import make_provenance
from loadlab.errors import BundleError
from loadlab.model.run import Provenance
from loadlab.pipeline.bundle import begin_again
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
        ({"loadlab_version": "99.0"}, "got loadlab=99.0, expected loadlab="),
    ],
)
def test_other_software_or_cores_are_refused_and_the_bundle_stays_as_it_was(
    lab: Lab, changed: Mapping[str, object], said: str
) -> None:
    old = replace(make_provenance(), machine={"kernel": "6.1", "cores_allowed": "0"})
    with pytest.raises(BundleError, match=re.escape(said)) as refused:
        _begun_again(lab, old, replace(old, **changed))  # type: ignore[arg-type]
    assert str(refused.value).endswith("Set it as it was and resume, or start a new run")
    with lab.opened() as store:
        assert store.provenance() == old


def test_facts_that_a_bundle_of_before_does_not_have_are_not_missed(lab: Lab) -> None:
    old = replace(make_provenance(), packages={}, machine={})
    fresh = replace(old, packages={"locust": "2.47"}, machine={"kernel": "6.1"}, started_unix_s=9.0)
    assert _begun_again(lab, old, fresh).resumed == (9.0,)
