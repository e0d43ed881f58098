"""What a run on a cluster shows beside its windows comes out of its events and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from builders import UNIX_S, make_experiment, make_provenance, make_sample, make_window
from loadlab.analysis.cluster import cluster_evidence, cross_check_findings, overhead_ratio, replica_shares
from loadlab.model.cluster import ClusterFacts, CrossCheck
from loadlab.model.run import RunData, Window

FACTS = ClusterFacts(
    kind="kind",
    uid="u",
    server_version="v1.36.3",
    kubectl_version="v1.36.3",
    nodes=(),
    cpu_limit_cores=0.8,
    memory_limit="2Gi",
)
CHECK = CrossCheck(
    block=1,
    stack="pool",
    span_s=30.0,
    own_cpu_s=2.0,
    cadvisor_cpu_s=2.1,
    ratio=1.05,
    own_throttled_periods=0,
    cadvisor_throttled_periods=0,
    working_set_bytes=1,
    restarts=0,
    reason=None,
)


def _pod(name: str, startup_s: float | None) -> Mapping[str, object]:
    return {"stack": "pool", "pod": name, "node": "a", "image": "i:1", "image_id": "sha256:1", "startup_s": startup_s}


def _run(*events: Mapping[str, object], on_cluster: bool = True) -> RunData:
    provenance = replace(make_provenance(), cluster=FACTS if on_cluster else None)
    return RunData(
        run_id="r", windows=(make_window(),), demands=(), provenance=provenance, complete=True, events=events
    )


def test_a_run_on_this_machine_has_none() -> None:
    assert cluster_evidence(make_experiment(), _run(on_cluster=False)) is None
    assert cross_check_findings(_run(on_cluster=False)) == ()


def test_starts_are_summed_up_over_all_pods_once() -> None:
    first = {"event": "pods_ready", "block": 0, "pods": [_pod("a", 3.0), _pod("b", 5.0)]}
    again = {"event": "pods_ready", "block": 1, "pods": [_pod("b", 5.0), _pod("c", None)]}
    found = cluster_evidence(make_experiment(), _run(first, again))
    assert found is not None
    (starts,) = found.starts
    assert (starts.pods, starts.median_s, starts.longest_s, starts.nodes) == (3, 4.0, 5.0, ("a",))
    assert any("share its processors" in line for line in found.differences)
    assert any("0.8 cores" in line for line in found.differences)


def test_the_cross_check_of_a_blocks_last_attempt_counts() -> None:
    old = {"event": "cross_check", "block": 1, "stacks": [asdict(replace(CHECK, ratio=9.0))]}
    new = {"event": "cross_check", "block": 1, "stacks": [asdict(CHECK)]}
    demand = {"event": "cross_check", "block": 0, "stacks": [asdict(replace(CHECK, block=0))]}
    found = cluster_evidence(make_experiment(), _run(demand, old, new))
    assert found is not None
    assert found.checks == (CHECK,)
    assert cross_check_findings(_run(demand, old, new)) == ()


@pytest.mark.parametrize(
    "rows", [[], [asdict(replace(CHECK, ratio=None, cadvisor_cpu_s=None, reason="Prometheus does not answer"))]]
)
def test_no_cross_check_is_a_warning_and_no_failure(rows: list[object]) -> None:
    (found,) = cross_check_findings(_run({"event": "cross_check", "block": 1, "stacks": rows}))
    assert (found.code, found.level) == ("cross_check_missing", "warning")


def test_overhead_is_what_was_neither_window_nor_warm_up() -> None:
    spent = [
        {"event": "block_spent", "whole_s": 40.0, "useful_s": 30.0},
        {"event": "block_spent", "whole_s": 60.0, "useful_s": 50.0},
    ]
    assert overhead_ratio(spent) == pytest.approx(0.2)
    assert overhead_ratio([]) is None


def test_shares_are_of_what_was_served_in_the_window() -> None:
    samples = [
        replace(make_sample(UNIX_S), served_by_replica=(100, 200)),
        replace(make_sample(UNIX_S + 1), served_by_replica=(130, 290)),
    ]
    assert replica_shares(samples) == pytest.approx((0.75, 0.25))
    assert replica_shares([make_sample(), make_sample()]) == ()


def test_shares_are_not_known_when_a_replica_counts_from_the_beginning_again() -> None:
    samples = [
        replace(make_sample(UNIX_S), served_by_replica=(100, 200)),
        replace(make_sample(UNIX_S + 1), served_by_replica=(30, 290)),
    ]
    assert replica_shares(samples) == ()


def test_a_window_whose_container_was_restarted_is_left_out_of_the_throttled_time() -> None:
    def window(number: int, *throttled_s: float) -> Window:
        samples = tuple(
            replace(make_sample(UNIX_S + second), throttled_s=found, throttled_periods=int(found * 10))
            for second, found in enumerate(throttled_s)
        )
        return replace(make_window(), id=f"w{number}", resources=samples)

    whole, restarted = window(1, 1.0, 1.5, 1.6), window(2, 9.0, 0.1, 0.2)
    found = cluster_evidence(make_experiment(), replace(_run(), windows=(whole, restarted)))
    assert found is not None
    (level,) = found.throttled
    assert level.throttled_ratio == pytest.approx(0.3)
    assert level.throttled_periods == 6
