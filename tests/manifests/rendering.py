"""The manifests as kubectl renders them: every overlay with every set of components."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
Object = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One overlay with some components."""

    overlay: str
    components: tuple[str, ...]

    def __str__(self) -> str:
        return "+".join((self.overlay, *self.components))


def supported() -> list[Combination]:
    """All of k8s/tests/combinations.yaml."""
    listed = yaml.safe_load((K8S / "tests/combinations.yaml").read_text())
    names = listed["components"]
    sets = list(chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)))
    return [Combination(overlay=overlay, components=chosen) for overlay in listed["overlays"] for chosen in sets]


@dataclass(frozen=True)
class Rendered:
    """The objects of one combination."""

    objects: tuple[Object, ...]

    def of(self, *kinds: str) -> list[Object]:
        """Those of some kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        """One by kind and name."""
        return next(one for one in self.of(kind) if one["metadata"]["name"] == name)

    @cached_property
    def deployments(self) -> dict[str, Object]:
        """Deployments by name."""
        return {one["metadata"]["name"]: one for one in self.of("Deployment")}


def pod(deployment: Object) -> Any:
    """A Deployment's pod template."""
    return deployment["spec"]["template"]


def container(deployment: Object) -> Any:
    """A Deployment's one container."""
    (only,) = pod(deployment)["spec"]["containers"]
    return only


def environment(deployment: Object) -> dict[str, str]:
    """The variables of its container, without those out of a Secret."""
    return {one["name"]: one["value"] for one in container(deployment).get("env", []) if "value" in one}


def ports(deployment: Object) -> dict[str, int]:
    """Its container's ports by name."""
    return {one["name"]: one["containerPort"] for one in container(deployment).get("ports", [])}


class Kustomize:
    """`kubectl kustomize` with its answers remembered, by all workers of a test session in one folder."""

    def __init__(self, kubectl: Path, scratch: Path) -> None:
        self._kubectl = kubectl
        self._scratch = scratch
        self._known: dict[str, Rendered] = {}

    def combination(self, chosen: Combination) -> Rendered:
        """One overlay with its components, as a folder outside of k8s/ chooses them."""
        return self.render(
            {
                "resources": [self.overlay(chosen.overlay)],
                "components": [self.component(name) for name in chosen.components],
            },
            str(chosen),
        )

    def render(self, kustomization: Mapping[str, Any], name: str) -> Rendered:
        """What a kustomization in a folder of its own comes to. Its paths: see `base`."""
        if name not in self._known:
            folder = self._scratch / name
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (folder / "objects.json").exists():
                    self._write(kustomization, folder)
            assert yaml.safe_load((folder / "kustomization.yaml").read_text()) == kustomization, f"two are named {name}"
            self._known[name] = Rendered(tuple(json.loads((folder / "objects.json").read_text())))
        return self._known[name]

    def _write(self, kustomization: Mapping[str, Any], folder: Path) -> None:
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(dict(kustomization)))
        done = subprocess.run([self._kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert not done.stderr, "kustomize warns: " + done.stderr
        (folder / "objects.json").write_text(json.dumps([*yaml.safe_load_all(done.stdout)]))

    def base(self, part: str) -> str:
        """The path of a base part, as such a kustomization writes it."""
        return self._path("base", part)

    def overlay(self, name: str) -> str:
        """The path of an overlay."""
        return self._path("overlays", name)

    def component(self, name: str) -> str:
        """The path of a component."""
        return self._path("components", name)

    def _path(self, *parts: str) -> str:
        return os.path.relpath(K8S.joinpath(*parts), self._scratch.resolve() / "any")


def folders(kind: str) -> list[str]:
    """The names below k8s/KIND."""
    return sorted(path.name for path in (K8S / kind).iterdir() if path.is_dir())


def taken_in(folder: Path) -> Iterator[Path]:
    """Every kustomization that a folder's takes in, itself included."""
    yield folder.resolve()
    told = yaml.safe_load((folder / "kustomization.yaml").read_text())
    wanted: Sequence[str] = [*told.get("resources", []), *told.get("components", [])]
    for path in (folder / one for one in wanted):
        if path.is_dir():
            yield from taken_in(path)
