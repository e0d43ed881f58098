"""What is in the cluster now: nodes, pods, stacks of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadlab.execute.cluster.inputs import RUN_KINDS
from loadlab.execute.cluster.kubectl import Kubectl

OF_A_RUN = "app.kubernetes.io/instance=run"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def nodes(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Each node with role (None: not the lab's), version and whether it is ready. Raises ClusterError."""
    return [_node(one) for one in kubectl.json("get", "nodes", namespace=None)["items"]]


def pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Each pod of the lab with its node, image, restarts and whether it is ready. Raises ClusterError.

    One that was evicted stays listed for long, though another one has its place: it is left out.
    """
    listed = kubectl.json("get", "pods")["items"]
    return [_pod(one) for one in listed if one["status"].get("phase") not in ("Failed", "Succeeded")]


def of_a_run(kubectl: Kubectl) -> list[str]:
    """What a run made: its stacks by name, other objects with their kind before it. Raises ClusterError."""
    found = kubectl.json("get", RUN_KINDS, "-l", OF_A_RUN)["items"]
    names = [(one["kind"].lower(), one["metadata"]["name"]) for one in found]
    stacks = [name for kind, name in names if kind == "deployment"]
    return [*stacks, *(f"{kind}/{name}" for kind, name in names if kind not in ("deployment", "service"))]


def remove_run(kubectl: Kubectl) -> None:
    """Take away what a run that was killed has left. Raises ClusterError."""
    kubectl.run("delete", RUN_KINDS, "-l", OF_A_RUN, "--ignore-not-found", "--wait=false")


def _node(found: Mapping[str, Any]) -> dict[str, Any]:
    labels = found["metadata"].get("labels", {})
    return {
        "name": found["metadata"]["name"],
        "role": labels.get("loadlab.dev/role") or ("control-plane" if CONTROL_PLANE in labels else None),
        "is_ready": _is_true(found, "Ready"),
        "version": found["status"]["nodeInfo"]["kubeletVersion"],
    }


def _pod(found: Mapping[str, Any]) -> dict[str, Any]:
    statuses = found["status"].get("containerStatuses", [])
    return {
        "name": found["metadata"]["name"],
        "part": found["metadata"].get("labels", {}).get("app.kubernetes.io/name"),
        "node": found["spec"].get("nodeName"),
        "is_ready": _is_true(found, "Ready"),
        "restarts": sum(one.get("restartCount", 0) for one in statuses),
        "image": found["spec"]["containers"][0]["image"],
    }


def _is_true(found: Mapping[str, Any], condition: str) -> bool:
    conditions = found["status"].get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)
