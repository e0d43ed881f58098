"""Which images are on which node of the kind cluster, and which have to be brought there."""

from __future__ import annotations

from collections.abc import Mapping

from loadlab.errors import ClusterError
from loadlab.execute.lab.engine import DockerEngine


def on_node(engine: DockerEngine, node: str) -> Mapping[str, str]:
    """Ids of the images of a node, by their full names.

    Raises:
        ClusterError: the node does not tell.
    """
    said = engine.execute(node, "ctr", "--namespace=k8s.io", "images", "ls")
    if not said.is_good:
        raise ClusterError(
            f"node {node}: does not tell its images: {said.last_lines(1)}; `make lab-down`, then `make lab-up`"
        )
    return read_listing(said.out)


def read_listing(text: str) -> Mapping[str, str]:
    """Ids by name out of what ``ctr images ls`` prints; empty for a name whose id is not told.

    Each line has a name and the digest of a manifest; a name that is a digest itself is the image's id.
    """
    rows = [line.split() for line in text.splitlines()[1:]]
    digests = {row[0]: row[2] for row in rows if len(row) > 2}
    ids = {digest: name for name, digest in digests.items() if name.startswith("sha256:")}
    return {name: ids.get(digest, "") for name, digest in digests.items() if not name.startswith("sha256:")}


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
