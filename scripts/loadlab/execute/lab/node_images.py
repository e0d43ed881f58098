"""Which images are on which node of the kind cluster, and which have to be brought there."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.lab.engine import DockerEngine


def on_node(engine: DockerEngine, node: str) -> Mapping[str, str]:
    """Ids of the images of a node, by their full names.

    Raises:
        ClusterError: the node does not tell.
    """
    said = engine.execute(node, "crictl", "images", "-o", "json")
    if not said.is_good:
        raise ClusterError(f"node {node}: does not tell its images: {said.last_lines(1)}; `make lab-down`, then again")
    images = orjson.loads(said.out).get("images") or []
    return {tag: image["id"] for image in images for tag in image.get("repoTags") or ()}


def full_name(reference: str) -> str:
    """A reference as nodes keep it, with the registry that Docker leaves out."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    is_host = "." in first or ":" in first or first == "localhost"
    return reference if is_host else f"docker.io/{reference}"


def missing(wanted: Mapping[str, str], there: Mapping[str, str], loaded: Mapping[str, str]) -> tuple[str, ...]:
    """The references that a node lacks, or has from another image.

    wanted: ids in the engine by reference; there: from on_node; loaded: ids by reference as they were when loaded,
    for engines whose ids are not those of the nodes.
    """
    return tuple(
        reference
        for reference, identity in wanted.items()
        if identity not in (there.get(full_name(reference)), loaded.get(reference)) or full_name(reference) not in there
    )
