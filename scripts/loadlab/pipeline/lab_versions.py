"""In which versions the lab was raised, and what has become another one since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.images.content import sources_sha256
from loadlab.execute.images.recipe import RECIPES
from loadlab.execute.lab.engine import DockerEngine, EngineInfo, NodeContainer
from loadlab.execute.lab.record import LabRecord
from loadlab.pipeline.lab_cluster import node_image
from loadlab.pipeline.lab_site import Site


def kind_versions(site: Site, info: EngineInfo) -> dict[str, str]:
    """What carries a kind cluster; a program that is not there has none."""
    kind = site.toolbox.version_of("kind")
    return {"docker": info.version, **({"kind": kind} if kind else {}), "node_image": node_image(site)}


def cluster_versions(kubectl: Kubectl) -> dict[str, str]:
    """kubectl and the API server. Raises ClusterError."""
    told = kubectl.json("version", namespace=None)
    return {
        name: told[key]["gitVersion"].removeprefix("v")
        for name, key in (("kubectl", "clientVersion"), ("kubernetes", "serverVersion"))
    }


def pushed_digests(ledger: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The digests that images have in the registry that they were pushed to."""
    return {name: entry["pushed"]["digest"] for name, entry in ledger.items() if "pushed" in entry}


def changed_versions(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """One line for each that was recorded and is another one now."""
    for name, version in now.items():
        if name in before and before[name] != version:
            yield f"{name} is {version}, the lab was raised with {before[name]}"


def changed_nodes(site: Site, engine: DockerEngine, nodes: tuple[NodeContainer, ...]) -> Iterator[str]:
    """Whether new nodes would be made of another image than these. Raises ClusterError."""
    wanted = node_image(site)
    identity = engine.image_id(wanted)
    if identity is not None and any(node.image_id != identity for node in nodes):
        yield f"the nodes were made of another image than {wanted} is now; `make lab-down`, then `make lab-up`"


def changed_images(record: LabRecord, ledger: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Images that were built after the lab was raised."""
    for name, entry in ledger.items():
        identity = entry.get("pushed", {}).get("digest") if record.target == "cluster" else entry.get("id")
        if identity is not None and record.images.get(name, identity) != identity:
            yield f"image {name}: {entry['image']}:{entry['tag']} was built and is not in the lab yet; `make lab-up`"


def changed_sources(root: Path, record: LabRecord, ledger: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Images whose part of the checkout is not what they were built from: the lab would run another program."""
    step = "`make lab-up REGISTRY=host/path`" if record.target == "cluster" else "`make lab-up`"
    for recipe in RECIPES:
        entry = ledger.get(recipe.name, {})
        if entry.get("sources_sha256") not in (None, sources_sha256(root, recipe)):
            built = f"{entry['image']}:{entry['tag']}"
            yield f"image {recipe.name}: its sources have changed since {built} was built; {step}"
