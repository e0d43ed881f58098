"""What every verb of the lab works with: folder, tools, environment, clock, and which cluster is meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.namespace import checkout_id
from loadlab.execute.cluster.state import CONTEXT, KUBECONFIG, LabFolder, check_named
from loadlab.execute.images.docker import CHOICE
from loadlab.execute.lab.engine import DockerEngine, find_docker
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.kind import Kind
from loadlab.execute.lab.record import LabRecord
from loadlab.execute.lab.toolbox import Say, Toolbox
from loadlab.execute.ports import Clock
from loadlab.pipeline.layout import Layout

OWN_PORTS: Mapping[str, int] = {"flask": 8800, "fastapi": 8801, "locust": 8089, "prometheus": 9090, "grafana": 3000}


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The lab of one checkout. say: told what goes on."""

    layout: Layout
    lab: LabFolder
    environ: Mapping[str, str]
    say: Say
    clock: Clock
    toolbox: Toolbox

    @property
    def target(self) -> str:
        """``kind``, or ``cluster`` for one that exists already."""
        return "cluster" if self.environ.get(KUBECONFIG) else "kind"

    @property
    def context(self) -> str:
        """The context of the cluster that is meant."""
        return self.lab.cluster(self.environ).context

    @property
    def for_images(self) -> Mapping[str, str]:
        """The environment to build images in: the kind cluster gets them from Docker, whatever builds for others."""
        return {**self.environ, CHOICE: "docker"} if self.target == "kind" else self.environ

    @property
    def checkout(self) -> str:
        """What this checkout is called in clusters."""
        return checkout_id(self.lab)

    def kubectl(self) -> Kubectl:
        """kubectl for it. Raises ClusterError."""
        return Kubectl(self.toolbox.ensure("kubectl"), self.lab.cluster(self.environ))

    def kind(self) -> Kind:
        """kind for the lab's own cluster. Raises ClusterError."""
        return Kind(self.toolbox.ensure("kind"), self.lab.kubeconfig)

    def docker(self) -> DockerEngine:
        """Docker. Raises ClusterError."""
        return find_docker(self.environ)

    def urls(self, *, with_grafana: bool) -> Mapping[str, str]:
        """Where people find each part of the kind cluster."""
        parts = {part: port for part, port in OWN_PORTS.items() if with_grafana or part != "grafana"}
        return {part: f"http://127.0.0.1:{port}" for part, port in parts.items()}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else raises or removes the lab, and no run uses it, as long as this lasts. Raises UsageError."""
        with held(self.lab.root / "lock"), held(self.lab.root / "run.lock", unknown="a run"):
            yield


def open_site(layout: Layout, *, environ: Mapping[str, str] = os.environ, say: Callable[[str], None]) -> Site:
    """The lab of this checkout.

    Raises:
        UsageError: LAB_KUBECONFIG and LAB_CONTEXT do not go together, or the file is not there.
    """
    check_named(environ)
    return Site(
        layout=layout,
        lab=LabFolder(root=layout.root / ".lab"),
        environ=environ,
        say=say,
        clock=SystemClock(),
        toolbox=Toolbox(layout.root, environ=environ, say=say),
    )


def elsewhere(site: Site, record: LabRecord | None) -> str | None:
    """That the lab was raised on another cluster than the one meant now, and what to do; None when it was not."""
    if record is None or (record.target, record.context) == (site.target, site.context):
        return None
    step = f"unset {KUBECONFIG} and {CONTEXT}" if record.target == "kind" else f"set {KUBECONFIG} and {CONTEXT} for it"
    return f"the lab of this checkout is on {record.context}, and {site.context} is meant now; {step}"
