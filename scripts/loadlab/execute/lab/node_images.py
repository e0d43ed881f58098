"""Which images are on which node of the kind cluster, which have to be brought there, and how."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from loadlab.errors import ClusterError
from loadlab.execute.lab.archives import Archives, References
from loadlab.execute.lab.engine import DockerEngine
from loadlab.execute.lab.program import call_together

IMPORT_S = 900.0

_SETTINGS = (("io.containerd.cri.v1.images",), ("io.containerd.grpc.v1.cri", "containerd"))
"""Below ``plugins``: where containerd 2 has it, and where earlier ones do."""


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


def bring(engine: DockerEngine, images: Mapping[str, References], archives: Archives) -> None:
    """Put images of the engine on nodes, all nodes at once. images: by node.

    Raises:
        ClusterError: they cannot be read, or a node does not take them.
    """
    for references in images.values():
        archives.begin(references)
    commands = [
        (_import(node, snapshotter(engine, node)), archives.whole(references)) for node, references in images.items()
    ]
    for (node, references), said in zip(
        images.items(), call_together(engine.program, commands, timeout_s=IMPORT_S), strict=True
    ):
        if not said.is_good:
            raise ClusterError(
                f"node {node}: does not take {' '.join(references)}: {said.last_lines(2)}; see that the disk has room, "
                "then `make lab-up` goes on"
            )


def _import(node: str, chosen: str) -> tuple[str, ...]:
    """As kind does it, but for the platforms that the engine has not pulled: it would ask for them and fail."""
    words = ("ctr", "--namespace=k8s.io", "images", "import", "--digests", f"--snapshotter={chosen}", "-")
    return ("exec", "--interactive", node, *words)


def snapshotter(engine: DockerEngine, node: str) -> str:
    """Where the node unpacks images for Kubernetes, which is not the same on every file system.

    Raises:
        ClusterError: the node does not tell.
    """
    said = engine.execute(node, "containerd", "config", "dump")
    found = _configured(said.out) if said.is_good else None
    if found is None:
        raise ClusterError(
            f"node {node}: does not tell how it unpacks images: {said.last_lines(1)}; `make lab-down`, "
            "then `make lab-up`"
        )
    return found


def _configured(text: str) -> str | None:
    try:
        plugins: Any = tomllib.loads(text)["plugins"]
    except (tomllib.TOMLDecodeError, KeyError):
        return None
    for path in _SETTINGS:
        part = plugins
        for key in path:
            part = part.get(key, {})
        if part.get("snapshotter"):
            return str(part["snapshotter"])
    return None
