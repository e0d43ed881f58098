"""Whether the nodes for systems under test have room for the replicas of a run, all of which are up at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.model.cluster import ClusterFacts, NodeFacts
from loadlab.units import format_bytes, parse_bytes

ROLE = "loadlab.dev/role"
Get = Callable[[str], Any]
"""Asks the API server for a path."""
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?")
_SUFFIXES = {
    "": 1.0,
    **{sign: 1000.0**-power for power, sign in enumerate("mun", 1)},
    **{sign: 1000.0**power for power, sign in enumerate("kMGTPE", 1)},
    **{f"{sign}i": 1024.0**power for power, sign in enumerate("KMGTPE", 1)},
}
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a node has left for stacks."""

    node: NodeFacts
    free_cores: float
    free_bytes: float

    def replicas(self, facts: ClusterFacts) -> int:
        """How many go in."""
        by_cores = (self.free_cores + 1e-9) / facts.cpu_limit_cores
        return max(0, int(min(by_cores, self.free_bytes / float(parse_bytes(facts.memory_limit)))))

    def told(self) -> str:
        """In words."""
        free = f"{self.free_cores:.3g} of {self.node.cores:g} cores and {format_bytes(max(0.0, self.free_bytes))}"
        return f"{self.node.name}: {free} free"


def amount_of(quantity: str) -> float:
    """A quantity as Kubernetes writes it, in cores or bytes: ``2``, ``100m``, ``1e9``, ``512Mi``, ``1Pi``.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity of Kubernetes")
    number, exponent, suffix = found.groups(default="")
    return float(number + exponent) * _SUFFIXES[suffix]


def check_size(facts: ClusterFacts, asked_cores: float) -> None:
    """Refuse a replica that no node could hold. Raises ClusterError."""
    rooms = [node.cores for node in facts.nodes if node.role == "sut"]
    if not rooms:
        raise ClusterError(f"no node carries {ROLE}=sut, where stacks run; run `make lab-up`, or label a node")
    if facts.cpu_limit_cores > max(rooms):
        raise ClusterError(
            f"resources.cpu: got {asked_cores:g} ({facts.cpu_limit_cores:g} cores here), but the largest node for "
            f"stacks has {max(rooms):g}; lower resources.cpu or take larger nodes"
        )


def check_room(get: Get, facts: ClusterFacts, replicas: Mapping[str, int]) -> None:
    """Refuse replicas that do not go in together. replicas: of each stack that the run brings.

    Raises:
        ClusterError: the nodes for stacks have less room than they need, other pods of theirs taken off.
    """
    rooms = [_room(get, node) for node in facts.nodes if node.role == "sut"]
    wanted, there = sum(replicas.values()), sum(room.replicas(facts) for room in rooms)
    if wanted > there:
        shown = ", ".join(room.told() for room in rooms)
        asked = ", ".join(f"{name} {count}" for name, count in replicas.items())
        raise ClusterError(
            f"replicas: got {wanted} ({asked}), all up at once, of {facts.cpu_limit_cores:g} cores and "
            f"{facts.memory_limit} each, but the nodes for stacks have room for {there} ({shown}); "
            f"lower replicas or resources, or give the cluster more nodes with the label {ROLE}=sut"
        )


def _room(get: Get, node: NodeFacts) -> Room:
    pods = get(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node.name}")["items"]
    taken = [one for pod in pods if _stays(pod) and (one := _request(pod)) is not None]
    return Room(
        node=node,
        free_cores=node.cores - sum(cores for cores, _ in taken),
        free_bytes=amount_of(node.memory) - sum(size_bytes for _, size_bytes in taken),
    )


def _stays(pod: Mapping[str, Any]) -> bool:
    """Whether it keeps its place in a run: the lab's standing stacks sleep, and what a killed run left goes."""
    labels = pod["metadata"].get("labels", {})
    is_stack = pod["metadata"]["namespace"] == NAMESPACE and labels.get("app.kubernetes.io/component") == "sut"
    return not is_stack and pod["status"].get("phase") not in _ENDED


def _request(pod: Mapping[str, Any]) -> tuple[float, float] | None:
    """Cores and bytes that a pod holds while it runs; None of one whose quantities cannot be read."""
    try:
        asked = list(_requests(pod["spec"]))
        cores, size_bytes = (sum(amount_of(one.get(what, "0")) for one in asked) for what in ("cpu", "memory"))
    except ValueError:
        return None
    return cores, size_bytes


def _requests(spec: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """Its containers, its sidecars (initial containers that go on), and what its runtime takes for itself."""
    sidecars = [one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]
    for container in (*spec["containers"], *sidecars):
        yield container.get("resources", {}).get("requests", {})
    yield spec.get("overhead", {})
