"""What a run on a cluster shows beside its windows: starts of pods, the cross-check, shares of the replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from loadlab.analysis.codes import finding
from loadlab.model.cluster import ClusterEvidence, CrossCheck, PodStarts, ReplicaShares, ThrottledLevel
from loadlab.model.experiment import Experiment
from loadlab.model.result import Finding
from loadlab.model.run import ResourceSample, RunData, Window

Event = Mapping[str, Any]


def cluster_evidence(experiment: Experiment, run: RunData) -> ClusterEvidence | None:
    """None for a run that was not made on a cluster. Events of the demand (block 0) count for starts alone."""
    facts = run.provenance.cluster
    if facts is None:
        return None
    counted = {window.block for window in run.windows}
    return ClusterEvidence(
        differences=tuple(_differences(experiment, run)),
        starts=tuple(_starts(run.events)),
        checks=tuple(_checks(run.events, counted)),
        shares=tuple(_shares(experiment, run.windows)),
        throttled=tuple(_throttled(run.windows)),
        overhead_ratio=overhead_ratio(run.events),
    )


def cross_check_findings(run: RunData) -> tuple[Finding, ...]:
    """One warning when the figures of some blocks could not be laid beside the cluster's own."""
    if run.provenance.cluster is None:
        return ()
    rows = list(_checks(run.events, {window.block for window in run.windows}))
    absent = [row for row in rows if row.cadvisor_cpu_s is None]
    if rows and not absent:
        return ()
    return (
        finding(
            "cross_check_missing",
            "warning",
            "run",
            got=f"{len(rows) - len(absent)} of {len(rows)} comparisons",
            expected="one for each stack and block",
            next_step="`loadlab lab status` tells whether Prometheus runs; blocks of 40 s and more have enough of it",
            detail=next((row.reason for row in absent if row.reason), None),
        ),
    )


def overhead_ratio(events: Sequence[Event]) -> float | None:
    """Of the blocks' time, the part that was neither window nor warm-up; None where no block was timed."""
    spent = [event for event in events if event.get("event") == "block_spent"]
    whole_s = sum(float(event["whole_s"]) for event in spent)
    return 1 - sum(float(event["useful_s"]) for event in spent) / whole_s if whole_s else None


def _differences(experiment: Experiment, run: RunData) -> Iterator[str]:
    """How this differs from a run on pinned processes, in sentences."""
    facts = run.provenance.cluster
    assert facts is not None
    asked = float(experiment.resources.cpu)
    yield (
        f"processor: a quota of {facts.cpu_limit_cores:g} cores a replica (asked: {asked:g}) under CFS, which lets a "
        "burst through and then stops the whole replica for the rest of 100 ms; pinned processes have whole cores "
        "and are never stopped"
    )
    yield (f"memory: a limit of {facts.memory_limit} a replica, page cache included; pinned processes have no limit")
    yield (
        "network: requests and upstream calls cross pod interfaces, and nodes where pods are on several; pinned "
        "processes talk over loopback"
    )
    yield "load generator: Locust's workers have quotas of their own; pinned ones have cores of their own"
    yield "service: probes of the kubelet and scrapes of Prometheus reach it during windows; pinned ones get neither"
    if facts.kind == "kind":
        yield "neighbours: all nodes are containers of one machine, so cluster, load and stacks share its processors"


def _starts(events: Sequence[Event]) -> Iterator[PodStarts]:
    pods = {pod["pod"]: pod for e in events if e.get("event") == "pods_ready" for pod in e["pods"]}
    for stack in dict.fromkeys(pod["stack"] for pod in pods.values()):
        mine = [pod for pod in pods.values() if pod["stack"] == stack]
        took = [float(pod["startup_s"]) for pod in mine if pod["startup_s"] is not None]
        yield PodStarts(
            stack=stack,
            pods=len(mine),
            median_s=median(took) if took else None,
            longest_s=max(took, default=None),
            nodes=tuple(sorted({str(pod["node"]) for pod in mine})),
            image=str(mine[-1]["image"]),
            image_id=str(mine[-1]["image_id"]),
        )


def _checks(events: Sequence[Event], blocks: set[int]) -> Iterator[CrossCheck]:
    """The last one of each block, which is of the attempt that was finished."""
    last = {e["block"]: e for e in events if e.get("event") == "cross_check" and e["block"] in blocks}
    for block in sorted(last):
        for row in last[block]["stacks"]:
            yield CrossCheck(**row)


def _shares(experiment: Experiment, windows: Sequence[Window]) -> Iterator[ReplicaShares]:
    for stack in (s for s in experiment.stacks if s.replicas > 1):
        for users in sorted({w.users for w in windows if w.stack == stack.name}):
            own = [w for w in windows if (w.stack, w.users) == (stack.name, users)]
            rows = [row for w in own if (row := replica_shares(w.resources))]
            if rows:
                ranks = zip(*rows, strict=True)
                yield ReplicaShares(stack=stack.name, users=users, shares=tuple(fmean(rank) for rank in ranks))


def replica_shares(samples: Sequence[ResourceSample]) -> tuple[float, ...]:
    """Each replica's share of the requests served while these samples were taken, largest first; empty: unknown.

    A replica whose count fell was started anew, and what it had served by then is not known.
    """
    if len(samples) < 2 or samples[0].served_by_replica is None or samples[-1].served_by_replica is None:
        return ()
    gained = [b - a for a, b in zip(samples[0].served_by_replica, samples[-1].served_by_replica, strict=True)]
    total = sum(gained)
    return tuple(sorted((n / total for n in gained), reverse=True)) if total > 0 and min(gained) >= 0 else ()


def _throttled(windows: Sequence[Window]) -> Iterator[ThrottledLevel]:
    for stack, users in dict.fromkeys((w.stack, w.users) for w in sorted(windows, key=lambda w: (w.users, w.stack))):
        own = [w for w in windows if (w.stack, w.users) == (stack, users) and len(w.resources) > 1]
        pairs = [(w.resources[0], w.resources[-1]) for w in own]
        ends = [(first, last) for first, last in pairs if not _began_anew(first, last)]
        times = [
            b.throttled_s - a.throttled_s for a, b in ends if a.throttled_s is not None and b.throttled_s is not None
        ]
        spans = [b.unix_s - a.unix_s for a, b in ends]
        periods = [
            b.throttled_periods - a.throttled_periods
            for a, b in ends
            if a.throttled_periods is not None and b.throttled_periods is not None
        ]
        yield ThrottledLevel(
            stack=stack,
            users=users,
            throttled_ratio=sum(times) / sum(spans) if times and len(times) == len(spans) and sum(spans) else None,
            throttled_periods=sum(periods) if periods else None,
        )


def _began_anew(first: ResourceSample, last: ResourceSample) -> bool:
    """Whether a container was restarted in between: its control group counts from the beginning then."""
    return first.throttled_s is not None and last.throttled_s is not None and last.throttled_s < first.throttled_s
