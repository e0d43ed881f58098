"""The cluster that a run was made on, and what is known of its pods. None is absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFacts:
    """One node. role: what its label says it is for; cores and memory: what it gives to pods."""

    name: str
    role: str | None
    cores: float
    memory: str
    kernel: str
    system: str
    runtime: str
    kubelet: str
    architecture: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterFacts:
    """A cluster and the limits that each replica got in it. kind: whether all nodes are one machine's containers.

    workers: of Locust; None in bundles of before.
    """

    kind: Literal["kind", "cluster"]
    uid: str
    server_version: str
    kubectl_version: str
    nodes: tuple[NodeFacts, ...]
    cpu_limit_cores: float
    memory_limit: str
    workers: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PodStarts:
    """How long pods of one stack (or the upstream) took from scheduled to ready, within a second, over the blocks."""

    stack: str
    pods: int
    median_s: float | None
    longest_s: float | None
    nodes: tuple[str, ...]
    image: str
    image_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossCheck:
    """One stack over one block: the service's own figures beside what cAdvisor told Prometheus.

    span_s: the stretch that both saw. ratio: cAdvisor's processor seconds over the service's own. reason: why
    there is none.
    """

    block: int
    stack: str
    span_s: float | None
    own_cpu_s: float | None
    cadvisor_cpu_s: float | None
    ratio: float | None
    own_throttled_periods: int | None
    cadvisor_throttled_periods: int | None
    working_set_bytes: int | None
    restarts: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaShares:
    """How the load of one stack at one level spread over its replicas: mean shares, largest first."""

    stack: str
    users: int
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrottledLevel:
    """How much of the windows of a stack at a level its processor quota kept it waiting; periods are of 100 ms."""

    stack: str
    users: int
    throttled_ratio: float | None
    throttled_periods: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterEvidence:
    """What a run on a cluster shows beside its windows. overhead_ratio: everything but windows and warm-up."""

    differences: tuple[str, ...]
    starts: tuple[PodStarts, ...]
    checks: tuple[CrossCheck, ...]
    shares: tuple[ReplicaShares, ...]
    throttled: tuple[ThrottledLevel, ...]
    overhead_ratio: float | None
