"""`loadlab lab down`: what this checkout made is taken away, and nothing else."""

from __future__ import annotations

import shutil

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import AnotherCheckoutError, wait_until_gone, whose_namespace
from loadlab.execute.cluster.state import CLUSTER, NAMESPACE
from loadlab.execute.images.docker import CHOICE, ContainerTool, find_container_tool
from loadlab.execute.images.ledger import names_of, read_ledger
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import LabRecord, read_record
from loadlab.pipeline.lab_cluster import tag_of_digest
from loadlab.pipeline.lab_site import Site, elsewhere
from loadlab.pipeline.lab_stages import Stages

DELETE_S = 180.0
MADE = ("kubeconfig", "kubeconfig.lock", "lab.json", "overlay", "logs", "archives")
"""What the lab keeps of itself. Beside it lie the locks that are held now, and what local runs show to boards."""
OF_IMAGES = ("images.json", "wheelhouse", "bases", "build")
"""What belongs to the images, which stay unless asked for."""


def lab_down(site: Site, *, with_images: bool = False) -> None:
    """Take the lab down; nothing to do is fine.

    Raises:
        ClusterError: a cluster of the lab's name is not this checkout's, or something does not go.
        ImageError: nothing here can remove images; nothing is removed then.
        UsageError: a run or another call has the lab.
    """
    stages = Stages(site.clock, site.say)
    with site.alone():
        record = read_record(site.lab.record)
        is_kind = (site.target if record is None else record.target) == "kind"
        tool = _remover(site, is_kind=is_kind) if with_images else None
        if not is_kind:
            _clear_namespace(site, stages, record)
        else:
            _remove_kind(site, stages, record)
        are_gone = tool is not None and _remove_images(site, stages, tool)
        _remove_state(site, with_images=with_images and (are_gone or tool is None))
    site.say(f"the lab is down after {stages.total_s:.1f} s")


def _remove_kind(site: Site, stages: Stages, record: LabRecord | None) -> None:
    with stages.stage("cluster") as note:
        engine = site.docker()
        nodes = engine.nodes(CLUSTER)
        if whose(nodes, record) == "absent":
            note("there is none")
        else:
            site.kind().delete()
            note(f"removed, {len(nodes)} nodes")
        if record is not None and record.network_made and engine.remove_network_if_empty():
            note("its network too")


def _clear_namespace(site: Site, stages: Stages, record: LabRecord | None) -> None:
    """On a cluster that exists. Without a record the mark in the namespace says whether the lab is this checkout's."""
    if record is not None and (moved := elsewhere(site, record)) is not None:
        raise ClusterError(f"{moved}, then `make lab-down`")
    with stages.stage("objects") as note:
        kubectl = site.kubectl()
        try:
            state = whose_namespace(kubectl, site.checkout)
        except AnotherCheckoutError as error:
            if record is None:
                raise
            note(f"there are none of this checkout: {error}")
            return
        if state in ("unclaimed", "borrowed"):
            raise ClusterError(
                f"context {site.context}: nothing in namespace {NAMESPACE} says that this checkout has raised the lab "
                "there; `make lab-up` claims it, then `make lab-down` removes it"
            )
        _remove_roles(kubectl)
        if state == "absent":
            note("there are none")
            return
        if state == "going":
            wait_until_gone(kubectl)
        else:
            kubectl.run("delete", "namespace", NAMESPACE, timeout_s=DELETE_S, namespace=None)
        note(f"removed from {site.context}; the cluster is left as it is")


def _remove_roles(kubectl: Kubectl) -> None:
    """They are in no namespace, and of no use without the lab's."""
    selector = ("-l", "app.kubernetes.io/part-of=loadlab", "--ignore-not-found")
    kubectl.run("delete", "clusterrole,clusterrolebinding", *selector, timeout_s=DELETE_S, namespace=None)


def _remover(site: Site, *, is_kind: bool) -> ContainerTool | None:
    """What can remove images, asked before anything is gone; None where nothing was built. Raises ImageError."""
    if not read_ledger(site.lab.images):
        return None
    tool = find_container_tool({**site.environ, CHOICE: "docker"} if is_kind else site.environ)
    tool.check()
    return tool


def _remove_images(site: Site, stages: Stages, tool: ContainerTool) -> bool:
    """Those that are now, those that they replaced, and names under which nodes got others; whether all are gone."""
    with stages.stage("images") as note:
        entries = read_ledger(site.lab.images).values()
        names = [name for entry in entries if "reference" not in entry for name in names_of(entry)]
        names += [f"{entry['image']}:{tag_of_digest(entry['digest'])}" for entry in entries if "digest" in entry]
        gone = tool.remove(names)
        left = [name for name in names if name not in gone and tool.find(name) is not None]
        note(", ".join([f"{len(gone)} removed", *(f"{name} is in use" for name in left)]))
    return not left


def _remove_state(site: Site, *, with_images: bool) -> None:
    for name in (*MADE, *(OF_IMAGES if with_images else ())):
        path = site.lab.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
