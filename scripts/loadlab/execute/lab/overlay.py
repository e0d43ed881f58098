"""``.lab/overlay``: the kustomization that this lab is: overlay, components, images and workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.execute.durable import write_whole

BUILT = ("flask", "fastapi", "upstream", "locust")
FOREIGN = {"prometheus": "prom/prometheus", "grafana": "grafana/grafana"}
"""Names by which the manifests call images that are not the lab's own."""
EXPECT_WORKERS = "spec.template.spec.containers.[name=locust].env.[name=LOCUST_EXPECT_WORKERS].value"


PRICES = "prices.yaml"

Name = tuple[str, str, str]
"""Kind, name and namespace of an object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What is chosen. overlay: kind or cluster; components: of ``k8s/components``; images: images.json."""

    overlay: str
    components: tuple[str, ...]
    workers: int
    images: Mapping[str, Mapping[str, Any]]
    is_pushed: bool
    """Whether pods take the lab's images from the registry that they were pushed to."""
    price_rules: str
    """The price lists as they are now, as a rule file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """All objects as YAML."""

    text: str

    @property
    def sha256(self) -> str:
        """What they are, by content."""
        return sha256(self.text.encode()).hexdigest()

    def objects(self) -> list[dict[str, Any]]:
        """Each object."""
        return [one for one in yaml.safe_load_all(self.text) if one]

    def names(self) -> set[Name]:
        """What each object is called."""
        return {(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace", "")) for one in self.objects()}

    def deployments(self) -> dict[str, int]:
        """Replicas of each Deployment."""
        found = [one for one in self.objects() if one["kind"] == "Deployment"]
        return {one["metadata"]["name"]: one["spec"].get("replicas", 1) for one in found}


def write_overlay(folder: Path, k8s: Path, choice: Choice) -> None:
    """Write it where ``kubectl kustomize`` finds it. Raises ClusterError: an image was not built or pushed."""
    folder.mkdir(parents=True, exist_ok=True)
    up = Path(os.path.relpath(k8s, folder))
    write_whole(folder / PRICES, choice.price_rules.encode())
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(up / "overlays" / choice.overlay)],
        "components": [str(up / "components" / name) for name in choice.components],
        "configMapGenerator": [_prices()],
        "images": _images(choice),
        "replicas": [{"name": "locust-worker", "count": choice.workers}],
        "replacements": [_expect_workers()],
    }
    write_whole(folder / "kustomization.yaml", yaml.safe_dump(content, sort_keys=False).encode())


def _prices() -> dict[str, Any]:
    """The rules of the base, with the prices of now in the place of the committed ones."""
    return {"name": "prometheus-rules", "namespace": NAMESPACE, "behavior": "merge", "files": [PRICES]}


def reference_of(entry: Mapping[str, Any]) -> str:
    """An entry of images.json as Docker calls it."""
    return str(entry["reference"]) if "reference" in entry else f"{entry['image']}:{entry['tag']}"


def _images(choice: Choice) -> list[dict[str, str]]:
    own = []
    for name in BUILT:
        entry = choice.images.get(name)
        if entry is None:
            raise ClusterError(f"image {name}: not in .lab/images.json; run `make images`, then `make lab-up`")
        if choice.is_pushed and "pushed" not in entry:
            raise ClusterError(
                f"image {name}: its tag {entry['tag']} was not pushed to a registry, which a cluster that is not the "
                "lab's own needs; run `make lab-up REGISTRY=host/path`"
            )
        image = entry["pushed"]["image"] if choice.is_pushed else entry["image"]
        own.append({"name": f"loadlab/{name}", "newName": image, "newTag": entry["tag"]})
    return own + [_foreign(name, choice.images[key]) for key, name in FOREIGN.items() if key in choice.images]


def _foreign(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    if "image" not in entry:
        raise ClusterError(f"image {entry.get('reference')}: not a reference; set it right, then `make lab-up`")
    named = {"newTag": entry["tag"]} if "tag" in entry and "digest" not in entry else {"digest": entry["digest"]}
    return {"name": name, "newName": entry["image"], **named}


def _expect_workers() -> dict[str, Any]:
    source = {"kind": "Deployment", "name": "locust-worker", "fieldPath": "spec.replicas"}
    target = {"select": {"kind": "Deployment", "name": "locust-master"}, "fieldPaths": [EXPECT_WORKERS]}
    return {"source": source, "targets": [target]}
