"""Whose the lab's namespace is: this checkout's, another one's, nobody's yet, or nothing of the lab at all.

On a cluster that many people reach the label alone says only that some lab made it. A checkout therefore puts its mark
in the namespace, which the API server lets only one of them do, and touches nothing where the mark is another's.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import CONTEXT, KUBECONFIG, MANAGED_BY, NAMESPACE, LabFolder

MARK = "lab-checkout"
"""The ConfigMap that says which checkout the lab is of."""
LABEL = "app.kubernetes.io/managed-by"

State = Literal["absent", "unclaimed", "ours"]
Object = Mapping[str, Any]


class ForeignNamespaceError(ClusterError):
    """The namespace is not this checkout's; nothing in it is touched."""


class AnotherCheckoutError(ForeignNamespaceError):
    """The namespace is a lab's, and that lab is not this checkout's."""


def checkout_id(folder: LabFolder) -> str:
    """What this checkout is called in clusters: its machine, and what was drawn once, kept in ``.lab/checkout``."""
    path = folder.root / "checkout"
    if not path.exists():
        folder.root.mkdir(parents=True, exist_ok=True)
        drawn = secrets.token_hex(6)
        beside = path.with_name(f"checkout.{drawn}")
        beside.write_text(f"{socket.gethostname()}-{drawn}\n", encoding="utf-8")
        with suppress(FileExistsError):
            os.link(beside, path)
        beside.unlink()
    return path.read_text(encoding="utf-8").strip()


def whose_namespace(kubectl: Kubectl, mine: str) -> State:
    """Look at the namespace and the mark in it. mine: as from `checkout_id`.

    Raises:
        AnotherCheckoutError: another checkout's lab is in it.
        ForeignNamespaceError: it was not made by the lab.
        ClusterError: the cluster does not answer.
    """
    names = (f"namespaces/{NAMESPACE}", f"configmaps/{MARK}")
    said = kubectl.run("get", *names, "--ignore-not-found", "-o", "json")
    found = {one["kind"]: one for one in orjson.loads(said)["items"]} if said.strip() else {}
    if (namespace := found.get("Namespace")) is None:
        return "absent"
    context = kubectl.cluster.context
    if (label := namespace["metadata"].get("labels", {}).get(LABEL)) != MANAGED_BY:
        raise ForeignNamespaceError(
            f"context {context}: its namespace {NAMESPACE} was not made by the lab (managed-by is {label}, expected "
            f"{MANAGED_BY}); it is left as it is: name another cluster by {KUBECONFIG} and {CONTEXT}"
        )
    if (owner := _owner(found.get("ConfigMap"))) is None:
        return "unclaimed"
    if owner != mine:
        raise AnotherCheckoutError(
            f"context {context}: the lab in its namespace {NAMESPACE} is of another checkout ({owner}, this one is "
            f"{mine}); it is left as it is: use that checkout, or where that is gone remove what it left "
            f"(kubectl --context {context} delete namespace {NAMESPACE}), then try again"
        )
    return "ours"


def make_namespace(kubectl: Kubectl, namespace: Object) -> None:
    """Make it alone, so that it can be claimed before anything is in it; not if somebody was faster.

    Raises:
        ClusterError: the cluster refuses.
    """
    _create(kubectl, namespace)


def claim(kubectl: Kubectl, mine: str) -> None:
    """Put this checkout's mark in the namespace; again is fine.

    Raises:
        AnotherCheckoutError: another one was faster.
        ClusterError: the cluster refuses.
    """
    labels = {LABEL: MANAGED_BY, "app.kubernetes.io/part-of": "loadlab"}
    metadata = {"name": MARK, "namespace": NAMESPACE, "labels": labels}
    _create(kubectl, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"checkout": mine}})
    if whose_namespace(kubectl, mine) != "ours":
        raise ClusterError(f"configmap {MARK}: it was removed while it was made; try again")


def _create(kubectl: Kubectl, one: Object) -> None:
    try:
        kubectl.run("create", "-f", "-", stdin=orjson.dumps(one))
    except ClusterError as error:
        if "AlreadyExists" not in str(error):
            raise


def _owner(mark: Object | None) -> str | None:
    return None if mark is None else mark.get("data", {}).get("checkout")
