"""One cluster and everything that leads to it, held together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import ClusterError
from loadlab.execute.cluster.api import ClusterApi
from loadlab.execute.cluster.forward import PortForward
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.rollout import Rollouts
from loadlab.execute.ports import Clock
from loadlab.execute.processes import ChildProcesses

Note = Callable[[str, Mapping[str, object]], None]
"""Writes an event into the bundle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """One cluster and the ways to it."""

    kubectl: Kubectl
    api: ClusterApi
    rollouts: Rollouts
    children: ChildProcesses
    clock: Clock
    logs: Path

    def forward(self, pod: str, port: int) -> PortForward:
        """A port-forward that is being opened."""
        log = self.logs / f"port-forward-{pod}.log"
        return PortForward(self.kubectl, self.children, self.clock, pod=pod, port=port, log=log)


def close_quietly(act: Callable[[], None]) -> str | None:
    """Do something on the way out; what goes wrong is returned, because the reason of the end matters more."""
    try:
        act()
    except ClusterError as error:
        return str(error)
    return None
