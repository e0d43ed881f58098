"""Whose the lab's namespace is: this checkout's, another one's, nobody's yet, or nothing of the lab at all.

On a cluster that many people reach the label alone says only that some lab made it. A checkout therefore puts its mark
in the namespace, which the API server lets only one of them do, and touches nothing where the mark is another's. Who
raises a lab keeps its mark there; who runs in one that was applied by hand takes it away again at the end.
"""

from __future__ import annotations

import fcntl
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import CONTEXT, KUBECONFIG, MANAGED_BY, NAMESPACE, LabFolder
from loadlab.execute.lab.file_lock import opened

MARK = "lab-checkout"
"""The ConfigMap that says which checkout the lab is of."""
LABEL = "app.kubernetes.io/managed-by"
GONE_S = 120.0
"""How long a namespace may take to go: its pods have up to 45 s."""

Purpose = Literal["lab", "run"]
State = Literal["absent", "going", "unclaimed", "borrowed", "ours"]
"""going: it is being removed. borrowed: the mark is this checkout's, for the time of a run."""
Object = Mapping[str, Any]


class ForeignNamespaceError(ClusterError):
    """The namespace is not this checkout's; nothing in it is touched."""


class AnotherCheckoutError(ForeignNamespaceError):
    """The namespace is a lab's, and that lab is not this checkout's."""


def checkout_id(folder: LabFolder) -> str:
    """What this checkout is called in clusters: its machine, and what was drawn once, kept in ``.lab/checkout``.

    Raises:
        UsageError: it cannot be kept.
    """
    with opened(folder.root / "checkout") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if found := file.read().strip():
            return found
        drawn = f"{socket.gethostname()}-{secrets.token_hex(6)}"
        file.write(f"{drawn}\n")
        return drawn


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
    if (label := namespace["metadata"].get("labels", {}).get(LABEL)) != MANAGED_BY:
        raise ForeignNamespaceError(
            f"context {kubectl.cluster.context}: its namespace {NAMESPACE} was not made by the lab (managed-by is "
            f"{label}, expected {MANAGED_BY}); it is left as it is: name another cluster by {KUBECONFIG} and {CONTEXT}"
        )
    mark: Mapping[str, str] = found.get("ConfigMap", {}).get("data", {})
    if (owner := mark.get("checkout", mine)) != mine:
        raise AnotherCheckoutError(_of_another(kubectl, owner, mine))
    if "deletionTimestamp" in namespace["metadata"]:
        return "going"
    if not mark:
        return "unclaimed"
    return "borrowed" if mark.get("for") == "run" else "ours"


def _of_another(kubectl: Kubectl, owner: str, mine: str) -> str:
    command = " ".join(kubectl.argv("delete", "configmap", MARK)[1:])
    return (
        f"context {kubectl.cluster.context}: the lab in its namespace {NAMESPACE} is of another checkout ({owner}, "
        f"this one is {mine}); it is left as it is: use that checkout; where that is gone, or nobody there needs it "
        f"any more, `kubectl {command}` gives it into other hands"
    )


def make_namespace(kubectl: Kubectl, namespace: Object) -> None:
    """Make it alone, so that it can be claimed before anything is in it; not if somebody was faster.

    Raises:
        ClusterError: the cluster refuses.
    """
    _create(kubectl, namespace)


def wait_until_gone(kubectl: Kubectl) -> None:
    """Until a namespace that is being removed is not there any more. Raises ClusterError: it does not go."""
    words = ("wait", "--for=delete", f"namespace/{NAMESPACE}", f"--timeout={GONE_S:g}s")
    kubectl.run(*words, timeout_s=GONE_S + 10.0, namespace=None)


def claim(kubectl: Kubectl, mine: str, purpose: Purpose = "lab") -> None:
    """Put this checkout's mark in the namespace; again is fine, and what was borrowed for a run can be kept.

    Raises:
        AnotherCheckoutError: another one was faster.
        ClusterError: the cluster refuses.
    """
    labels = {LABEL: MANAGED_BY, "app.kubernetes.io/part-of": "loadlab"}
    metadata = {"name": MARK, "namespace": NAMESPACE, "labels": labels}
    mark = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"checkout": mine, "for": purpose}}
    _create(kubectl, mark)
    state = whose_namespace(kubectl, mine)
    if state == "borrowed" and purpose == "lab":
        kubectl.run("replace", "-f", "-", stdin=orjson.dumps(mark))
    elif state not in ("borrowed", "ours"):
        raise ClusterError(f"configmap {MARK}: it was removed while it was made; try again")


def let_go(kubectl: Kubectl, mine: str) -> None:
    """Take away a mark that was borrowed for a run; nothing where it is another one by now.

    Raises:
        ClusterError: the cluster does not answer, or refuses.
    """
    with suppress(AnotherCheckoutError):
        if whose_namespace(kubectl, mine) == "borrowed":
            kubectl.run("delete", "configmap", MARK, "--ignore-not-found")


def _create(kubectl: Kubectl, one: Object) -> None:
    try:
        kubectl.run("create", "-f", "-", stdin=orjson.dumps(one))
    except ClusterError as error:
        if "AlreadyExists" not in str(error):
            raise
