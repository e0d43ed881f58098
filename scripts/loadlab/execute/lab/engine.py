"""The Docker engine that carries the kind cluster: what it is, what runs in it, what it has."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from loadlab.errors import ClusterError
from loadlab.execute.json_object import object_of
from loadlab.execute.lab.program import Said, call

ANSWER_S = 60.0
PULL_S = 1800.0
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
NETWORK = "kind"


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """What the engine says of itself."""

    version: str
    cgroup_version: str
    root: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeContainer:
    """A kind node. role: kind's own word, such as control-plane; image_id: what it was made of."""

    id: str
    name: str
    role: str
    is_running: bool
    created_unix_s: float
    image_id: str


class DockerEngine:
    """docker, for what kind leaves to its user. program: the executable."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def info(self) -> EngineInfo:
        """Ask the engine. Raises ClusterError: it does not answer."""
        said = self._call("info", "--format", "{{json .}}")
        found = object_of(said.out)
        if not said.is_good or not found.get("ServerVersion"):
            raise ClusterError(f"docker: the engine does not answer: {_complaint(said, found)}; {_step(said, found)}")
        return EngineInfo(
            version=str(found["ServerVersion"]),
            cgroup_version=str(found.get("CgroupVersion") or "1"),
            root=Path(str(found.get("DockerRootDir") or "/var/lib/docker")),
        )

    def nodes(self, cluster: str) -> tuple[NodeContainer, ...]:
        """The containers of a kind cluster, running or not. Raises ClusterError."""
        ids = self._checked("ps", "--all", "--quiet", "--filter", f"label={CLUSTER_LABEL}={cluster}").split()
        if not ids:
            return ()
        return tuple(sorted(map(_node, orjson.loads(self._checked("inspect", *ids))), key=lambda node: node.name))

    def start(self, ids: tuple[str, ...]) -> None:
        """Start containers that stand still. Raises ClusterError."""
        self._checked("start", *ids)

    def image_id(self, reference: str) -> str | None:
        """The id of an image, None when the engine has none of that name."""
        said = self._call("image", "inspect", "--format", "{{.Id}}", reference)
        return said.out.strip() if said.is_good else None

    def pull(self, reference: str) -> str | None:
        """Fetch an image; None when done, else why not."""
        said = self._call("pull", "--quiet", reference, timeout_s=PULL_S)
        return None if said.is_good else said.last_lines(1)

    def tag(self, reference: str, name: str) -> None:
        """Give an image another name. Raises ClusterError."""
        self._checked("tag", reference, name)

    def execute(self, container: str, *words: str, timeout_s: float = ANSWER_S) -> Said:
        """Run a program in a container."""
        return self._call("exec", container, *words, timeout_s=timeout_s)

    def describe(self) -> str:
        """What `docker info` and `docker ps` print. Raises ClusterError."""
        return self._checked("info") + self._checked("ps", "--all")

    def has_network(self) -> bool:
        """Whether kind's network is there."""
        return self._call("network", "inspect", NETWORK).is_good

    def remove_network_if_empty(self) -> bool:
        """Remove kind's network when nobody is on it; whether it went."""
        said = self._call("network", "inspect", "--format", "{{len .Containers}}", NETWORK)
        if not said.is_good or said.out.strip() != "0" or self._stopped_on_network():
            return False
        return self._call("network", "rm", NETWORK).is_good

    def publisher(self, port: int) -> str | None:
        """The container that has a port of this machine, None when none has."""
        said = self._call("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        names = said.out.split() if said.is_good else []
        return names[0] if names else None

    def _stopped_on_network(self) -> bool:
        return bool(self._checked("ps", "--all", "--quiet", "--filter", f"network={NETWORK}").split())

    def _checked(self, *words: str) -> str:
        said = self._call(*words)
        if not said.is_good:
            raise ClusterError(f"docker {' '.join(words[:2])}: {said.last_lines(1)}; `docker info` asks the engine")
        return said.out

    def _call(self, *words: str, timeout_s: float = ANSWER_S) -> Said:
        return call(self.program, *words, timeout_s=timeout_s)


def find_docker(environ: Mapping[str, str]) -> DockerEngine:
    """Docker on PATH. Raises ClusterError."""
    found = shutil.which("docker", path=environ.get("PATH"))
    if found is None:
        raise ClusterError(
            "docker: not on PATH; the lab's cluster runs in it: install Docker Engine "
            "(https://docs.docker.com/engine), or name a cluster that exists by LAB_KUBECONFIG and LAB_CONTEXT"
        )
    return DockerEngine(Path(found))


def _node(found: Mapping[str, object]) -> NodeContainer:
    record = orjson.loads(orjson.dumps(found))
    return NodeContainer(
        id=record["Id"],
        name=record["Name"].removeprefix("/"),
        role=record["Config"]["Labels"].get("io.x-k8s.kind.role", ""),
        is_running=bool(record["State"]["Running"]),
        created_unix_s=_unix_s(record["Created"]),
        image_id=record["Image"],
    )


def _unix_s(timestamp: str) -> float:
    """Docker writes nanoseconds, which Python does not read."""
    return datetime.fromisoformat(timestamp.split(".")[0].rstrip("Z") + "+00:00").timestamp()


def _complaint(said: Said, found: Mapping[str, object]) -> str:
    told = found.get("ServerErrors")
    return "; ".join(map(str, told)) if isinstance(told, list) and told else said.last_lines(1)


def _step(said: Said, found: Mapping[str, object]) -> str:
    if "permission denied" in _complaint(said, found).lower():
        return "add yourself to its group (sudo usermod -aG docker $USER), then log in again"
    return "start it (sudo systemctl start docker), then try again"
