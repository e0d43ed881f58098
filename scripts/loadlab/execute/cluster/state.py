"""What the lab keeps under ``.lab/``, and which cluster that means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import UsageError

KUBECONFIG, CONTEXT = "LAB_KUBECONFIG", "LAB_CONTEXT"
"""Variables that together name a cluster that exists already."""
WORKERS = "LAB_WORKERS"
"""Variable that overrides how many Locust workers the lab was raised with."""
CLUSTER = "loadlab"
KIND_CONTEXT = f"kind-{CLUSTER}"
NAMESPACE = "loadlab"
MANAGED_BY = "loadlab"
"""Value of app.kubernetes.io/managed-by on the lab's namespace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterRef:
    """A cluster as kubectl is told about it."""

    kubeconfig: Path
    context: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LabFolder:
    """The files below ``.lab/`` of a checkout; none of them is committed."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """Credentials of the lab's own kind cluster."""
        return self.root / "kubeconfig"

    @property
    def images(self) -> Path:
        """images.json: what was built, by content."""
        return self.root / "images.json"

    @property
    def overlay(self) -> Path:
        """The kustomization that was applied: overlay, components and images chosen."""
        return self.root / "overlay"

    @property
    def record(self) -> Path:
        """lab.json: cluster, versions, workers."""
        return self.root / "lab.json"

    def cluster(self, environ: Mapping[str, str] = os.environ) -> ClusterRef:
        """The cluster that LAB_KUBECONFIG and LAB_CONTEXT name; without them the lab's own kind cluster."""
        kubeconfig = environ.get(KUBECONFIG)
        context = environ.get(CONTEXT) or KIND_CONTEXT
        return ClusterRef(kubeconfig=Path(kubeconfig).expanduser() if kubeconfig else self.kubeconfig, context=context)


def check_named(environ: Mapping[str, str]) -> None:
    """Refuse a cluster that is half named.

    Raises:
        UsageError: LAB_KUBECONFIG and LAB_CONTEXT do not go together, or there is no such file.
    """
    kubeconfig, context = environ.get(KUBECONFIG), environ.get(CONTEXT)
    if bool(kubeconfig) != bool(context):
        given, absent = (KUBECONFIG, CONTEXT) if kubeconfig else (CONTEXT, KUBECONFIG)
        raise UsageError(
            f"{given} is set and {absent} is not: a cluster that is not the lab's own is used only when both name it; "
            f"set {absent} too, or unset {given} for the lab's own kind cluster"
        )
    if kubeconfig and not Path(kubeconfig).expanduser().is_file():
        raise UsageError(f"{KUBECONFIG}={kubeconfig}: no such file; name the kubeconfig of a cluster that exists")
