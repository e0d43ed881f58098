"""kind: makes the lab's cluster out of containers and takes it down."""

from __future__ import annotations

import os
from pathlib import Path

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import CLUSTER
from loadlab.execute.lab.program import Said, call

CREATE_S = 900.0
DELETE_S = 120.0

NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""What kind 0.33 itself takes; KIND_NODE_IMAGE names another one."""


class Kind:
    """kind for the one cluster of the lab. program: the executable; kubeconfig: the lab's own file."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._program = program
        self._kubeconfig = str(kubeconfig)

    def create(self, config: str, *, image: str, log: Path) -> None:
        """Make the cluster. log: gets all that kind says. Raises ClusterError."""
        said = self._call(
            *("create", "cluster", "--name", CLUSTER, "--image", image),
            *("--kubeconfig", self._kubeconfig, "--config", "-"),
            timeout_s=CREATE_S,
            stdin=config,
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(said.out + said.err, encoding="utf-8")
        if not said.is_good:
            raise ClusterError(
                f"kind create cluster: {_first_error(said.err)}; all it said is in {_shown(log)}; "
                "mend that, then `make lab-up` goes on"
            )

    def export_kubeconfig(self) -> None:
        """Write the credentials of the cluster anew. Raises ClusterError."""
        said = self._call(
            *("export", "kubeconfig", "--name", CLUSTER, "--kubeconfig", self._kubeconfig),
            timeout_s=DELETE_S,
        )
        if not said.is_good:
            raise ClusterError(f"kind export kubeconfig: {said.last_lines(1)}; `make lab-down`, then `make lab-up`")

    def delete(self) -> None:
        """Remove the cluster, whole or half made. Raises ClusterError."""
        words = ("delete", "cluster", "--name", CLUSTER, "--kubeconfig", self._kubeconfig)
        said = self._call(*words, timeout_s=DELETE_S)
        if not said.is_good:
            raise ClusterError(f"kind delete cluster: {said.last_lines(2)}; `docker ps` shows what is left of it")

    def _call(self, *words: str, timeout_s: float, stdin: str | None = None) -> Said:
        """With Docker, where the lab looks for the nodes, whatever else kind is told to use by the environment."""
        env = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": "docker"}
        return call(self._program, *words, timeout_s=timeout_s, stdin=stdin, env=env)


def _first_error(err: str) -> str:
    """kind ends with a stack of output; the line that says what was wrong begins with ERROR."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines[-1:] or ["it said nothing"])[0][:600]


def _shown(log: Path) -> str:
    return "/".join(log.parts[-3:])
