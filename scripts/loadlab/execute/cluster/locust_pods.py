"""LocustHost in a cluster: master and workers are the Deployments of the part ``locust``."""

from __future__ import annotations

from collections.abc import Sequence

from loadlab.errors import ClusterError, DeployError, LoadError
from loadlab.execute.cluster.applied import RunObjects
from loadlab.execute.cluster.forward import PortForward
from loadlab.execute.cluster.pod import Pod, befallen, read_pod
from loadlab.execute.cluster.rollout import Wanted
from loadlab.execute.cluster.run_manifests import RUN
from loadlab.execute.cluster.ways import Cluster, Note

MASTER, WORKER = "locust-master", "locust-worker"
WEB_PORT = 8089


class LocustPods:
    """LocustHost port on a cluster."""

    def __init__(self, *, cluster: Cluster, objects: RunObjects, workers: int, run_id: str, note: Note) -> None:
        self._cluster = cluster
        self._objects = objects
        self._workers = workers
        self._run_id = run_id
        self._note = note
        self._starts = 0
        self._pods: tuple[Pod, ...] = ()
        self._forward: PortForward | None = None

    @property
    def url(self) -> str:
        """The master's web interface, through a forward that is opened again when it ended."""
        if self._forward is None:
            raise LoadError("load generator: Locust's master has not been started yet")
        if self._forward.mend():
            self._note("port_forward_restarted", {"pod": self._forward.pod})
        return self._forward.url

    def start(self) -> None:
        """New pods with the run's settings."""
        self._starts += 1
        marks = {RUN: f"{self._run_id}.{self._starts}"}
        self._objects.apply([MASTER, WORKER], annotations=marks)
        self._settle(marks)

    def fallen(self) -> Sequence[str]:
        """What has befallen the pods since they were started."""
        if not self._pods:
            return []
        now = [read_pod(raw) for raw in self._cluster.api.pods()]
        return befallen(self._pods, now, what="load generator")

    def replace_fallen(self) -> None:
        """Kubernetes starts a new pod for each that is gone. Without its master Locust is started anew."""
        now = [read_pod(raw) for raw in self._cluster.api.pods()]
        if befallen([pod for pod in self._pods if _is_master(pod)], now, what=MASTER):
            self.start()
            return
        self._settle({RUN: f"{self._run_id}.{self._starts}"})

    def workers(self) -> int:
        """As many as the lab was asked for."""
        return self._workers

    def worker_pids(self) -> frozenset[int] | None:
        """Every worker is process 1 of its own namespace."""
        return None

    def worker_names(self) -> frozenset[str]:
        """A worker goes by the name of its pod."""
        return frozenset(pod.name for pod in self._pods if not _is_master(pod))

    def close(self) -> None:
        """Close the way to it; the lab keeps its Locust."""
        self._pods = ()
        if self._forward is not None:
            self._forward.close()
            self._forward = None

    def _settle(self, marks: dict[str, str]) -> None:
        wanted = [
            Wanted(
                deployment=name,
                labels=self._objects.labels(name),
                replicas=self._objects.replicas(name),
                annotations=marks,
            )
            for name in (MASTER, WORKER)
        ]
        try:
            found = self._cluster.rollouts.wait(wanted)
        except DeployError as error:
            raise LoadError(f"the load generator did not start: {error}") from None
        master = found[MASTER][0]
        self._pods = (*found[MASTER], *found[WORKER])
        if self._forward is None or self._forward.pod != master.name:
            if self._forward is not None:
                self._forward.close()
            self._forward = self._cluster.forward(master.name, WEB_PORT)
            self._open(self._forward)
        self._note("locust_ready", {"pods": [{"pod": pod.name, "node": pod.node} for pod in self._pods]})

    def _open(self, forward: PortForward) -> None:
        try:
            forward.wait()
        except ClusterError as error:
            raise LoadError(f"load generator: {error}") from None


def _is_master(pod: Pod) -> bool:
    return pod.name.startswith(f"{MASTER}-")
