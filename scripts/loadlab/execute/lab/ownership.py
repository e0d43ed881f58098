"""Whose cluster carries the lab's name: nobody's, this checkout's whole or half made, or somebody else's."""

from __future__ import annotations

from typing import Literal

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import CLUSTER
from loadlab.execute.lab.engine import NodeContainer
from loadlab.execute.lab.record import LabRecord

Ownership = Literal["absent", "half", "ours"]

CLOCKS_APART_S = 2.0


def whose(nodes: tuple[NodeContainer, ...], record: LabRecord | None) -> Ownership:
    """Judge the containers that carry the name by what was recorded.

    Raises:
        ClusterError: the cluster, or a part of it, was made by somebody else.
    """
    if not nodes:
        return "absent"
    if record is None or record.began_unix_s is None:
        raise _foreign(nodes)
    if record.nodes:
        return _ours(nodes, record)
    began_s = record.began_unix_s - CLOCKS_APART_S
    if any(node.created_unix_s < began_s for node in nodes):
        raise _foreign(nodes)
    return "half"


def _ours(nodes: tuple[NodeContainer, ...], record: LabRecord) -> Ownership:
    here = {node.name: node.id for node in nodes}
    if not set(here.values()) <= set(record.nodes.values()):
        raise _foreign(nodes)
    return "ours" if here == dict(record.nodes) else "half"


def _foreign(nodes: tuple[NodeContainer, ...]) -> ClusterError:
    names = ", ".join(node.name for node in nodes)
    return ClusterError(
        f"kind cluster {CLUSTER}: it is there ({names}), and this checkout has not made it; it is left as it is: use "
        f"the checkout that made it, or remove it (kind delete cluster --name {CLUSTER}), then try again"
    )
