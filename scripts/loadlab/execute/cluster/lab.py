"""The lab in its cluster as a run finds it: whether it is the lab's own, what it stands on, what stands by."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from loadlab.errors import ClusterError, UsageError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import ForeignNamespaceError, whose_namespace
from loadlab.execute.cluster.room import ROLE, amount_of
from loadlab.execute.cluster.state import CONTEXT, KUBECONFIG, NAMESPACE, ClusterRef, LabFolder
from loadlab.execute.lab.file_lock import opened
from loadlab.model.cluster import ClusterFacts, NodeFacts

STANDING = "app.kubernetes.io/instance=standing,app.kubernetes.io/component=sut"
ASLEEP = "loadlab.dev/standing-replicas"


def read_json(path_text: str, content: bytes) -> Mapping[str, Any]:
    """A file of ``.lab/``. Raises ClusterError when it is not an object."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ClusterError(f"{path_text}: not a JSON object; run `make lab-up`, which writes it anew")
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class LabState:
    """What ``.lab/`` says. images: as in images.json, each called as the cluster's pods have to call it."""

    images: Mapping[str, Mapping[str, Any]]
    workers: int


def lab_state(folder: LabFolder, cluster: ClusterRef, workers: str | None) -> LabState:
    """images.json and lab.json; ``workers`` overrides the number of Locust workers that the lab was raised with.

    Raises:
        ClusterError: the lab is not up, its files are damaged, or an image is in no registry that the cluster reaches.
        UsageError: this checkout raised its lab on another cluster.
    """
    if not folder.images.exists():
        raise ClusterError(f"{folder.images}: not there, so the lab is not up; run `make lab-up`")
    record = read_json(str(folder.record), folder.record.read_bytes()) if folder.record.exists() else {}
    raised_on = record.get("context") or cluster.context
    if raised_on != cluster.context:
        raise UsageError(
            f"the lab of this checkout is on {raised_on}, and {cluster.context} is meant now: a run would put the one "
            f"back in the other; set {KUBECONFIG} and {CONTEXT} as they were then, or use another checkout"
        )
    asked = workers if workers is not None else str(record.get("workers", 1))
    if not asked.isdecimal() or int(asked) < 1:
        raise ClusterError(f"WORKERS: got {asked!r}, expected a whole number of Locust workers, 1 or more")
    images = read_json(str(folder.images), folder.images.read_bytes())
    is_own = cluster.kubeconfig == folder.kubeconfig
    return LabState(images=images if is_own else dict(_pushed(images)), workers=int(asked))


def _pushed(images: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Nobody has loaded images to the nodes of a cluster that is not the lab's own: its pods pull what was pushed."""
    for name, entry in images.items():
        if "reference" in entry:
            yield name, entry
        elif "pushed" in entry:
            yield name, {**entry, "image": entry["pushed"]["image"]}
        else:
            raise ClusterError(
                f"image {name}: its tag {entry.get('tag')} was not pushed to a registry, which a cluster that is not "
                "the lab's own needs; run `make lab-up REGISTRY=host/path`"
            )


def check_own(kubectl: Kubectl, mine: str) -> None:
    """Refuse a cluster in which the lab's namespace is not the lab's own. mine: what this checkout is called.

    Raises:
        ClusterError: that, or another checkout's lab, or none at all, or no answer.
    """
    try:
        state = whose_namespace(kubectl, mine)
    except ForeignNamespaceError:
        raise
    except ClusterError as error:
        raise ClusterError(f"{error}; run `make lab-up`, or set {KUBECONFIG} and {CONTEXT} to a lab") from None
    if state in ("absent", "going"):
        what = "it has no namespace" if state == "absent" else "somebody is removing its namespace"
        context = kubectl.cluster.context
        raise ClusterError(f"context {context}: {what} {NAMESPACE}: the lab is not up; run `make lab-up`")


def runs_on_kind(kubectl: Kubectl) -> bool:
    """Whether every node is a container of one machine, whatever the context is called. Raises ClusterError."""
    nodes = kubectl.raw("/api/v1/nodes")["items"]
    return bool(nodes) and all(one["spec"].get("providerID", "").startswith("kind://") for one in nodes)


def cluster_facts(
    kubectl: Kubectl, *, is_kind: bool, millicores: int, memory: str, workers: int | None = None
) -> ClusterFacts:
    """What the run stands on. workers: of Locust.

    Raises:
        ClusterError: the API server does not answer, or no node of a role is ready.
    """
    get = kubectl.raw
    server = get("/version")
    system = get("/api/v1/namespaces/kube-system")
    client = orjson.loads(kubectl.run("version", "--client", "-o", "json", namespace=None))
    found = get("/api/v1/nodes")["items"]
    check_ready(found)
    nodes = [_node(one) for one in found]
    return ClusterFacts(
        kind="kind" if is_kind else "cluster",
        uid=system["metadata"]["uid"],
        server_version=server["gitVersion"],
        kubectl_version=client["clientVersion"]["gitVersion"],
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        cpu_limit_cores=millicores / 1000,
        memory_limit=memory,
        workers=workers,
    )


def check_ready(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a cluster whose nodes for stacks, or for load, are all away: pods would wait there for nothing.

    Raises:
        ClusterError: no node of a role that has nodes is ready; with what its last one says of itself.
    """
    for role, what in (("sut", "stacks"), ("loadgen", "load")):
        own = [one for one in nodes if one["metadata"].get("labels", {}).get(ROLE) == role]
        away = [(one["metadata"]["name"], why) for one in own if (why := not_ready(one)) is not None]
        if own and len(away) == len(own):
            name, why = away[-1]
            raise ClusterError(
                f"node {name}: not ready ({why}), and no other is there for {what}; `make lab-up` waits for it and "
                "tells what to do when it does not come back"
            )


def not_ready(node: Mapping[str, Any]) -> str | None:
    """What a node says of itself while it is not ready; None when it is."""
    ready = next((one for one in node["status"].get("conditions", ()) if one["type"] == "Ready"), None)
    if ready is None:
        return "it has not told yet"
    return None if ready["status"] == "True" else f"{ready.get('reason')}: {ready.get('message', '')}"[:300]


@contextmanager
def only_run(folder: LabFolder) -> Iterator[None]:
    """Hold the lab for one run; the kernel frees it with its holder.

    Raises:
        ClusterError: somebody else has it.
        UsageError: its folder cannot be written.
    """
    with opened(folder.root / "run.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            at_work = lock.read().strip()
            holder = f"{at_work}, which raises the lab or takes it down," if at_work else "another run"
            raise ClusterError(f"{folder.root}: {holder} has the lab; wait for its end, then run again") from None
        lock.truncate(0)
        yield


class Standing:
    """The standing stacks: asleep while a run lasts, so that nothing but the run's own pods uses their nodes."""

    def __init__(self, kubectl: Kubectl, folder: LabFolder) -> None:
        self._kubectl = kubectl
        self._folder = folder

    def sleep(self) -> None:
        """Scale them to zero; how many there were is remembered on them. Raises ClusterError."""
        for one in self._listed():
            if one["spec"].get("replicas", 1) > 0:
                name = f"deployment/{one['metadata']['name']}"
                self._kubectl.run("annotate", name, f"{ASLEEP}={one['spec']['replicas']}", "--overwrite")
                self._kubectl.run("scale", name, "--replicas=0")
        self._kubectl.run("delete", "pods", "-l", STANDING, "--grace-period=1", "--wait=false", "--ignore-not-found")

    def wake(self) -> None:
        """Put back what the lab was raised with, after this run or one that was killed. Raises ClusterError."""
        if (self._folder.overlay / "kustomization.yaml").exists():
            self._kubectl.apply(self._kubectl.render(self._folder.overlay))
        for one in self._listed():
            name = f"deployment/{one['metadata']['name']}"
            before = one["metadata"].get("annotations", {}).get(ASLEEP)
            if before is not None:
                self._kubectl.run("scale", name, f"--replicas={before}")
                self._kubectl.run("annotate", name, f"{ASLEEP}-")

    def _listed(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self._kubectl.json("get", "deployments", "-l", STANDING)["items"]
        return found


def _node(raw: Mapping[str, Any]) -> NodeFacts:
    info, room = raw["status"]["nodeInfo"], raw["status"]["allocatable"]
    return NodeFacts(
        name=raw["metadata"]["name"],
        role=raw["metadata"].get("labels", {}).get(ROLE),
        cores=amount_of(room["cpu"]),
        memory=room["memory"],
        kernel=info["kernelVersion"],
        system=info["osImage"],
        runtime=info["containerRuntimeVersion"],
        kubelet=info["kubeletVersion"],
        architecture=info["architecture"],
    )
