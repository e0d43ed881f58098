"""A cluster of the lab's name is used or removed only when this checkout made it."""

from __future__ import annotations

import pytest

from loadlab.errors import ClusterError
from loadlab.execute.lab.engine import NodeContainer
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import LabRecord

BEGAN_S = 1_000_000.0


def node(name: str, *, created_s: float = BEGAN_S + 5.0, identity: str | None = None) -> NodeContainer:
    return NodeContainer(
        id=identity or f"id-{name}", name=name, role="worker", is_running=True, created_unix_s=created_s
    )


def record(*names: str) -> LabRecord:
    nodes = {name: f"id-{name}" for name in names}
    return LabRecord(target="kind", context="kind-loadlab", began_unix_s=BEGAN_S, nodes=nodes)


def test_no_container_is_no_cluster() -> None:
    assert whose((), None) == "absent"
    assert whose((), record("a")) == "absent"


def test_the_recorded_containers_are_ours() -> None:
    assert whose((node("a"), node("b")), record("a", "b")) == "ours"


def test_a_cluster_without_record_is_left_alone() -> None:
    with pytest.raises(ClusterError, match=r"this checkout has not made it; .*kind delete cluster --name loadlab"):
        whose((node("a"),), None)


def test_a_container_of_another_identity_is_somebody_elses() -> None:
    with pytest.raises(ClusterError, match="this checkout has not made it"):
        whose((node("a", identity="other"),), record("a"))


def test_what_a_making_that_was_cut_off_has_left_is_half() -> None:
    assert whose((node("a"),), record()) == "half"


def test_a_cluster_from_before_the_making_began_is_somebody_elses() -> None:
    with pytest.raises(ClusterError, match="this checkout has not made it"):
        whose((node("a", created_s=BEGAN_S - 60.0),), record())


def test_a_cluster_that_has_lost_a_node_is_half() -> None:
    assert whose((node("a"),), record("a", "b")) == "half"


def test_a_record_of_another_cluster_proves_nothing() -> None:
    elsewhere = LabRecord(target="cluster", context="production")
    with pytest.raises(ClusterError, match="this checkout has not made it"):
        whose((node("a"),), elsewhere)
