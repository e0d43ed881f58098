"""Runs kubectl against one cluster; what goes wrong becomes one line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.cluster.state import NAMESPACE, ClusterRef

TIMEOUT_S = 60.0
ANSWER_S = 5.0
FIELD_MANAGER = "loadlab"
SHOWN_CHARACTERS = 400


def find_tool(name: str, tools: Path) -> Path:
    """The program that the lab brought into ``.tools/bin`` because PATH had none that is good enough, else PATH's.

    Raises:
        ClusterError: it is in neither place.
    """
    found = shutil.which(name, path=str(tools / "bin")) or shutil.which(name)
    if found is None:
        raise ClusterError(f"{name}: not on PATH and not in .tools/bin; run `make tools`, which brings it")
    return Path(found)


class Kubectl:
    """kubectl with its cluster and the lab's namespace. program: the executable."""

    def __init__(self, program: Path, cluster: ClusterRef) -> None:
        self._program = program
        self.cluster = cluster

    @property
    def program(self) -> Path:
        """The executable."""
        return self._program

    def argv(self, *words: str, namespace: str | None = NAMESPACE) -> list[str]:
        """The whole command line; for children that outlive one call (proxy, port-forward)."""
        where = ["--kubeconfig", str(self.cluster.kubeconfig), "--context", self.cluster.context]
        return [str(self._program), *where, *(["--namespace", namespace] if namespace else []), *words]

    def run(
        self,
        *words: str,
        stdin: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
        namespace: str | None = NAMESPACE,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What it printed.

        Raises:
            ClusterError: it failed, with the first lines of what it said; or it did not end in time.
        """
        shown = " ".join(words[:4])
        try:
            done = subprocess.run(
                self.argv(*words, namespace=namespace),
                input=stdin,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                env=dict(env) if env is not None else None,
            )
        except FileNotFoundError:
            raise ClusterError(f"kubectl: {self._program} is gone; run `make lab-up`, which brings it") from None
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"kubectl {shown}: no end after {timeout_s:g} s; is the API server of {self.cluster.context} up? "
                "`loadlab lab status` looks"
            ) from None
        if done.returncode != 0:
            raise ClusterError(f"kubectl {shown}: {_one_line(done.stderr)}")
        return done.stdout.decode(errors="replace")

    def json(self, *words: str, namespace: str | None = NAMESPACE) -> Any:
        """What it printed with ``-o json``, decoded. Raises ClusterError."""
        return orjson.loads(self.run(*words, "-o", "json", namespace=namespace))

    def raw(self, path: str) -> Any:
        """What the API server says at a path. Raises ClusterError."""
        return orjson.loads(self.run("get", "--raw", path, namespace=None))

    def answers(self) -> bool:
        """Whether the API server is there within a few seconds."""
        try:
            self.run("get", "--raw", "/readyz", timeout_s=ANSWER_S, namespace=None)
        except ClusterError:
            return False
        return True

    def render(self, folder: Path) -> str:
        """``kubectl kustomize``: all objects of a kustomization as YAML. Raises ClusterError."""
        return self.run("kustomize", str(folder), namespace=None)

    def apply(self, manifests: str, *, manager: str = FIELD_MANAGER) -> str:
        """Server-side apply; what it did, one line an object. Raises ClusterError."""
        words: Sequence[str] = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
        return self.run(*words, stdin=manifests.encode())


def _one_line(stderr: bytes) -> str:
    text = "; ".join(line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip())
    text = text.removeprefix("error: ").removeprefix("Error: ")
    return text[:SHOWN_CHARACTERS] or "it said nothing"
