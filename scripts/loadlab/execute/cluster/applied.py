"""The objects of a run as they were rendered, applied part by part."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.pod import BLOCK

Object = dict[str, Any]
STACK_PREFIX = "stack-"
KINDS = frozenset({"Deployment", "Service"})


class RunObjects:
    """Deployments and Services of one run."""

    def __init__(self, kubectl: Kubectl, objects: Iterable[Object]) -> None:
        self._kubectl = kubectl
        self._objects = [one for one in objects if one.get("kind") in KINDS]

    @classmethod
    def render(cls, kubectl: Kubectl, folder: Path) -> RunObjects:
        """Render a kustomization; what was rendered is kept beside it. Raises ClusterError."""
        text = kubectl.render(folder)
        (folder / "rendered.yaml").write_text(text)
        return cls(kubectl, [one for one in yaml.safe_load_all(text) if one])

    def labels(self, deployment: str) -> Mapping[str, str]:
        """By which a Deployment finds its pods."""
        found: Mapping[str, str] = self._deployment(deployment)["spec"]["selector"]["matchLabels"]
        return found

    def replicas(self, deployment: str) -> int:
        """How many pods it shall have."""
        return int(self._deployment(deployment)["spec"]["replicas"])

    def apply(
        self, names: Iterable[str], *, annotations: Mapping[str, str] | None = None, replicas: int | None = None
    ) -> None:
        """Apply the objects of these names; annotations go on the pod templates. Raises ClusterError."""
        wanted = set(names)
        items = [copy.deepcopy(one) for one in self._objects if one["metadata"]["name"] in wanted and _is_own(one)]
        for one in items:
            if one["kind"] == "Deployment":
                one["spec"]["template"]["metadata"].setdefault("annotations", {}).update(annotations or {})
                one["spec"]["replicas"] = one["spec"]["replicas"] if replicas is None else replicas
        self._kubectl.apply(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": items}).decode())

    def delete(self, names: Iterable[str]) -> None:
        """Delete Deployments and Services of these names; what is gone already is well. Raises ClusterError."""
        kinds = [f"{kind}/{name}" for name in names for kind in ("deployment", "service")]
        if kinds:
            self._kubectl.run("delete", *kinds, "--ignore-not-found", "--wait=false")

    def _deployment(self, name: str) -> Object:
        for one in self._objects:
            if one["kind"] == "Deployment" and one["metadata"]["name"] == name:
                return one
        raise ClusterError(f"manifests of the run: no Deployment {name} in them; is k8s/base as this version has it?")


def _is_own(one: Object) -> bool:
    """Services of upstream and Locust are the lab's: an overlay has given them more than a run knows of."""
    return bool(one["kind"] == "Deployment" or one["metadata"]["name"].startswith(STACK_PREFIX))


def block_annotation(block: int, attempt: int) -> Mapping[str, str]:
    """Makes the pods of a block new ones, also when the block is prepared again."""
    return {BLOCK: f"{block}.{attempt}"}
