"""The kind cluster of the lab: made when it is not there, finished when its making was cut off, its images loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.lab import not_ready
from loadlab.execute.cluster.state import CLUSTER, KIND_CONTEXT
from loadlab.execute.doctor import Check
from loadlab.execute.lab import listeners
from loadlab.execute.lab.archives import Archives
from loadlab.execute.lab.engine import DockerEngine, EngineInfo, NodeContainer
from loadlab.execute.lab.kind import NODE_IMAGE
from loadlab.execute.lab.machine_checks import lab_checks
from loadlab.execute.lab.node_images import bring, missing, on_node
from loadlab.execute.lab.ownership import Ownership, whose
from loadlab.execute.lab.record import LabRecord, write_record
from loadlab.execute.machine import Machine
from loadlab.pipeline.lab_site import Site

ROLE = "loadlab.dev/role"
NODE = "node"
"""What the image of the nodes is called in lab.json."""
NODE_READY_S = 120.0
POLL_S = 0.5
IMAGES_OF: Mapping[str, tuple[str, ...]] = {
    "sut": ("flask", "fastapi"),
    "loadgen": ("upstream", "locust", "prometheus", "grafana"),
}
"""Which images of images.json the pods of a node's role need."""

Tell = Callable[[str], None]


def examine(engine: DockerEngine, info: EngineInfo, nodes: tuple[NodeContainer, ...], *, is_up: bool) -> list[Check]:
    """Look whether this machine can carry the cluster. nodes: of the lab's own, whole or half made."""
    own = {node.name for node in nodes}

    def holder(port: int) -> str | None:
        if listeners.is_free(port):
            return None
        container = engine.publisher(port)
        if container in own:
            return None
        return f"container {container}" if container else listeners.holder(port)

    machine = Machine()
    cores = float(len(os.sched_getaffinity(0)))
    return lab_checks(info, machine, min(cores, machine.cpu_quota_cores() or cores), is_up=is_up, holder=holder)


def refuse_failed(checks: Iterable[Check], tell: Tell) -> None:
    """Tell the warnings. Raises ClusterError with the first that failed, and the names of all others."""
    failed = [check for check in checks if check.status == "fail"]
    for check in checks:
        if check.status == "warn":
            tell(f"{check.name}: {check.got}, better {check.expected}: {check.next_step}")
    if failed:
        first, *others = failed
        more = f" (also: {', '.join(f'{one.name}: {one.got}' for one in others)})" if others else ""
        raise ClusterError(f"{first.name}: got {first.got}, expected {first.expected}; {first.next_step}{more}")


def begin_archives(archives: Archives, references: Mapping[str, str]) -> None:
    """For each role that nodes will have, what its pods need. references: by their names in images.json."""
    for names in IMAGES_OF.values():
        archives.begin(tuple(references[name] for name in names if name in references))


def bring_up(site: Site, engine: DockerEngine, info: EngineInfo, record: LabRecord | None, note: Tell) -> LabRecord:
    """The cluster made, made whole, or found as it is. Raises ClusterError."""
    nodes = engine.nodes(CLUSTER)
    state: Ownership = whose(nodes, record)
    if state == "ours" and record is not None:
        stopped = tuple(node.id for node in nodes if not node.is_running)
        if stopped:
            engine.start(stopped)
        if not site.lab.kubeconfig.exists():
            site.kind().export_kubeconfig()
        note(f"{len(stopped)} nodes started again" if stopped else f"there, {len(nodes)} nodes")
        return record
    if state == "half":
        site.kind().delete()
        note("what was half made is removed")
    return _create(site, engine, info, record, note)


def _create(site: Site, engine: DockerEngine, info: EngineInfo, record: LabRecord | None, note: Tell) -> LabRecord:
    image = _pulled(site, engine)
    network_made = not engine.has_network() or bool(record and record.network_made)
    begun = LabRecord(
        target="kind",
        context=KIND_CONTEXT,
        began_unix_s=site.clock.unix_s(),
        network_made=network_made,
        node_image=image,
        workers=record.workers if record else 1,
    )
    write_record(site.lab.record, begun)
    site.say(f"  making three nodes of {image.partition('@')[0]}")
    site.kind().create(_config(site, info), image=image, log=site.lab.root / "logs" / "kind-create.log")
    nodes = engine.nodes(CLUSTER)
    made = begun.but(nodes={one.name: one.id for one in nodes}, images={NODE: nodes[0].image_id} if nodes else {})
    write_record(site.lab.record, made)
    note(f"made, {len(made.nodes)} nodes")
    return made


def _pulled(site: Site, engine: DockerEngine) -> str:
    """What nodes are made of, fetched where it is not here: kind would do so too, and say neither when nor why not."""
    image = node_image(site)
    if engine.image_id(image) is None:
        site.say(f"  pulling {image.partition('@')[0]}, which takes minutes the first time")
        if (why := engine.pull(image)) is not None:
            raise ClusterError(
                f"image {image}: not here and cannot be pulled: {why}; set KIND_NODE_IMAGE to a node image that is here"
            )
    return image


def node_image(site: Site) -> str:
    """What nodes are made of."""
    return site.environ.get("KIND_NODE_IMAGE") or NODE_IMAGE


def _config(site: Site, info: EngineInfo) -> str:
    """What kind is told; hosts with cgroup v1 need a word more."""
    folder = site.layout.root / "k8s" / "kind"
    text = (folder / "cluster.yaml").read_text(encoding="utf-8")
    return text + (folder / "cgroup-v1.yaml").read_text(encoding="utf-8") if info.cgroup_version == "1" else text


def roles_of_nodes(kubectl: Kubectl) -> Mapping[str, str]:
    """The role of each node, by its name. Raises ClusterError."""
    nodes = kubectl.json("get", "nodes", namespace=None)["items"]
    return {one["metadata"]["name"]: one["metadata"]["labels"].get(ROLE, "") for one in nodes}


def wait_for_nodes(site: Site, kubectl: Kubectl) -> None:
    """Until all nodes are ready; of a cluster that is not the lab's own, those that are labelled for the lab.

    Raises:
        ClusterError: one does not get ready in time.
    """
    deadline_s = site.clock.monotonic_s() + NODE_READY_S
    while True:
        waits = _waits(site, kubectl)
        if not waits:
            return
        if site.clock.monotonic_s() > deadline_s:
            name, why = next(iter(waits.items()))
            raise ClusterError(
                f"{name}: not ready after {NODE_READY_S:g} s: {why}; `make lab-logs` collects what it says, "
                "`make lab-down` and `make lab-up` make the cluster anew"
            )
        site.clock.sleep(POLL_S)


def _waits(site: Site, kubectl: Kubectl) -> Mapping[str, str]:
    """Who is not ready, and why."""
    try:
        nodes = kubectl.json("get", "nodes", namespace=None)["items"]
    except ClusterError as error:
        return {"API server": str(error)}
    ours = [one for one in nodes if site.target == "kind" or ROLE in one["metadata"].get("labels", {})]
    waits = {f"node {one['metadata']['name']}": why for one in ours if (why := not_ready(one)) is not None}
    return waits if nodes else {"cluster": "it has no nodes"}


def tag_of_digest(digest: str) -> str:
    """The tag that nodes know an image by which is named by its digest."""
    return f"d-{digest.removeprefix('sha256:')[:12]}"


def loadable(engine: DockerEngine, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of images.json as nodes can have it: archives know tags alone, so what is named by its digest gets one.

    Raises:
        ClusterError: the engine does not give it.
    """
    if "digest" not in entry:
        return entry
    tag = tag_of_digest(entry["digest"])
    name = f"{entry['image']}:{tag}"
    engine.tag(entry["reference"], name)
    return {"reference": name, "image": entry["image"], "tag": tag}


def load_images(
    site: Site,
    engine: DockerEngine,
    record: LabRecord,
    roles: Mapping[str, str],
    references: Mapping[str, str],
    archives: Archives,
    note: Tell,
) -> LabRecord:
    """Bring to each node the images that its pods need and it lacks. references: by their names in images.json.

    Raises:
        ClusterError: an image is not in the engine, or does not load.
    """
    ids = {reference: _identity(engine, name, reference) for name, reference in references.items()}
    of_nodes = {name: found for name, found in record.images.items() if name == NODE}
    record = record.but(images=of_nodes | {name: ids[reference] for name, reference in references.items()})
    wanted = {
        node: {references[name]: ids[references[name]] for name in IMAGES_OF.get(role, ()) if name in references}
        for node, role in roles.items()
        if role in IMAGES_OF
    }
    lacks = {node: missing(wanted[node], on_node(engine, node), record.loaded.get(node, {})) for node in wanted}
    todo = {node: images for node, images in lacks.items() if images}
    for node, images in todo.items():
        site.say(f"  {node} gets {', '.join(images)}")
    bring(engine, todo, archives)
    count = sum(len(images) for images in todo.values())
    note(f"{count} loaded" if count else "nothing to load")
    if not count:
        return record
    loaded = record.but(loaded={node: dict(found) for node, found in wanted.items()})
    write_record(site.lab.record, loaded)
    return loaded


def _identity(engine: DockerEngine, name: str, reference: str) -> str:
    found = engine.image_id(reference)
    if found is None:
        raise ClusterError(f"image {name} ({reference}): not in the engine; run `make images`, then `make lab-up`")
    return found
