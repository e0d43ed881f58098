"""`loadlab lab down`: what this checkout made is taken away, and nothing else."""

from __future__ import annotations

import shutil

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import AnotherCheckoutError, whose_namespace
from loadlab.execute.cluster.state import CLUSTER, NAMESPACE
from loadlab.execute.images.docker import find_container_tool
from loadlab.execute.images.ledger import names_of, read_ledger
from loadlab.execute.lab.ownership import whose
from loadlab.execute.lab.record import LabRecord, read_record
from loadlab.pipeline.lab_site import Site
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
        ImageError: nothing here can remove images.
        UsageError: a run or another call has the lab.
    """
    stages = Stages(site.clock, site.say)
    with site.alone():
        record = read_record(site.lab.record)
        if record is not None and record.target == "cluster":
            _clear_namespace(site, stages, record)
        else:
            _remove_kind(site, stages, record)
        if with_images:
            _remove_images(site, stages)
        _remove_state(site, with_images=with_images)
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


def _clear_namespace(site: Site, stages: Stages, record: LabRecord) -> None:
    if (record.target, record.context) != (site.target, site.context):
        raise ClusterError(
            f"the lab is on {record.context}: set LAB_KUBECONFIG and LAB_CONTEXT as they were, then `make lab-down`"
        )
    with stages.stage("objects") as note:
        kubectl = site.kubectl()
        try:
            state = whose_namespace(kubectl, site.checkout)
        except AnotherCheckoutError as error:
            note(f"there are none of this checkout: {error}")
            return
        if state == "unclaimed":
            raise ClusterError(
                f"context {record.context}: nothing in namespace {NAMESPACE} says that it is this checkout's; "
                "`make lab-up` claims it, then `make lab-down` removes it"
            )
        _remove_roles(kubectl)
        if state == "absent":
            note("there are none")
            return
        kubectl.run("delete", "namespace", NAMESPACE, timeout_s=DELETE_S, namespace=None)
        note(f"removed from {record.context}; the cluster is left as it is")


def _remove_roles(kubectl: Kubectl) -> None:
    """They are in no namespace, and of no use without the lab's."""
    selector = ("-l", "app.kubernetes.io/part-of=loadlab", "--ignore-not-found")
    kubectl.run("delete", "clusterrole,clusterrolebinding", *selector, timeout_s=DELETE_S, namespace=None)


def _remove_images(site: Site, stages: Stages) -> None:
    """Those that are now, and those that they replaced."""
    with stages.stage("images") as note:
        entries = read_ledger(site.lab.images)
        names = [name for entry in entries.values() if "reference" not in entry for name in names_of(entry)]
        gone = find_container_tool(site.for_images).remove(names) if names else ()
        note(f"{len(gone)} removed")


def _remove_state(site: Site, *, with_images: bool) -> None:
    for name in (*MADE, *(OF_IMAGES if with_images else ())):
        path = site.lab.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
