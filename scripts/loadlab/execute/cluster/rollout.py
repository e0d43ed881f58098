"""Waiting until Deployments are what was applied, with every old pod gone. What is stuck is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loadlab.errors import ClusterError, DeployError
from loadlab.execute.cluster.api import ClusterApi
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.pod import Pod, read_pod
from loadlab.execute.cluster.state import NAMESPACE
from loadlab.execute.ports import Clock

POLL_S = 0.1
TIMEOUT_S = 90.0
BESIDE_S = 30.0
"""What a pod needs beside the start of its container: a place, its image, the end of the one before."""
UNSCHEDULED_S = 15.0
"""How long a pod may find no place: the one whose place it takes is still ending."""
REPLACED_S = 15.0
"""How long the pod may take that comes in the place of one that was evicted."""
LOG_LINES = 8
EVENTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One Deployment: its name, its pods' labels, and how many of them with which annotations.

    start_s: how long its container may take to get ready; None: as long as the base parts say.
    """

    deployment: str
    labels: Mapping[str, str]
    replicas: int
    annotations: Mapping[str, str]
    start_s: float | None = None


class Rollouts:
    """Waits for Deployments of one cluster."""

    def __init__(self, api: ClusterApi, kubectl: Kubectl, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        self._api = api
        self._kubectl = kubectl
        self._clock = clock
        self._timeout_s = timeout_s

    def wait(self, wanted: Sequence[Wanted]) -> Mapping[str, tuple[Pod, ...]]:
        """The pods of each Deployment, by its name, once all are ready and no other is left.

        Raises:
            DeployError: one cannot get ready, or did not in time; events and last log lines are in the message.
        """
        began_s = self._clock.monotonic_s()
        while True:
            pods = [read_pod(raw) for raw in self._api.pods()]
            found = {one.deployment: own_pods(pods, one) for one in wanted}
            waits = [one for one in wanted if not is_rolled(found[one.deployment], one)]
            if not waits and all(self._is_observed(one) for one in wanted):
                return {name: living(own) for name, own in found.items()}
            waited_s = self._clock.monotonic_s() - began_s
            for one in waits:
                self._check(one, found[one.deployment], waited_s)
            self._clock.sleep(POLL_S)

    def _is_observed(self, wanted: Wanted) -> bool:
        """Whether the controller has seen what was applied, and all of it is up."""
        found = self._api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{wanted.deployment}")
        status = found.get("status", {})
        counts = (status.get("updatedReplicas", 0), status.get("readyReplicas", 0), status.get("replicas", 0))
        return status.get("observedGeneration", 0) >= found["metadata"]["generation"] and set(counts) == {
            wanted.replicas
        }

    def _check(self, wanted: Wanted, pods: Sequence[Pod], waited_s: float) -> None:
        for pod in (one for one in pods if not one.is_deleted and is_new(one, wanted)):
            if (why := pod.hopeless) and (waited_s > REPLACED_S or not pod.is_over):
                raise DeployError(self._stuck(wanted, pod, why))
            if pod.unschedulable and waited_s > UNSCHEDULED_S:
                raise DeployError(self._stuck(wanted, pod, f"no node has room: {pod.unschedulable}"))
        timeout_s = self._timeout_s if wanted.start_s is None else max(self._timeout_s, wanted.start_s + BESIDE_S)
        if waited_s > timeout_s:
            waiting = next((pod for pod in living(pods) if not pod.is_ready), None)
            why = f"not ready after {timeout_s:g} s"
            raise DeployError(self._stuck(wanted, waiting, why))

    def _stuck(self, wanted: Wanted, pod: Pod | None, why: str) -> str:
        if pod is None:
            events = self._told(lambda: self._events(wanted.deployment))
            return f"{wanted.deployment}: {why}, it has no pod{events}; `loadlab lab status` looks"
        events = self._told(lambda: self._events(pod.name))
        log = self._told(lambda: self._log(pod.name))
        return (
            f"{wanted.deployment}: pod {pod.name}: {why}{events}{log}; mend its image, settings or size (or give "
            "an image of your own longer: ready_timeout_s of its [[stack]]), then run again"
        )

    def _told(self, ask: Callable[[], str]) -> str:
        """What could be found out; nothing where that fails too, because the reason itself matters more."""
        try:
            return ask()
        except ClusterError:
            return ""

    def _events(self, name: str) -> str:
        listed = self._api.get(f"/api/v1/namespaces/{NAMESPACE}/events", fieldSelector=f"involvedObject.name={name}")
        warnings = [e for e in listed["items"] if e.get("type") == "Warning"] or listed["items"]
        said = [f"{e.get('reason')}: {' '.join(str(e.get('message', '')).split())[:200]}" for e in warnings[-EVENTS:]]
        return f"; events: {' | '.join(said)}" if said else ""

    def _log(self, pod: str) -> str:
        previous = ("logs", pod, f"--tail={LOG_LINES}", "--previous")
        try:
            text = self._kubectl.run(*previous)
        except ClusterError:
            text = self._kubectl.run("logs", pod, f"--tail={LOG_LINES}")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"; last log lines: {' | '.join(lines)[:600]}" if lines else ""


def own_pods(pods: Sequence[Pod], wanted: Wanted) -> tuple[Pod, ...]:
    """Those that carry the Deployment's labels, by name."""
    mine = (p for p in pods if all(p.labels.get(key) == value for key, value in wanted.labels.items()))
    return tuple(sorted(mine, key=lambda pod: pod.name))


def living(pods: Sequence[Pod]) -> tuple[Pod, ...]:
    """Without those that ended as a whole: they use nothing, and Kubernetes keeps them listed for long."""
    return tuple(pod for pod in pods if not pod.is_over)


def is_rolled(pods: Sequence[Pod], wanted: Wanted) -> bool:
    """Whether exactly the wanted pods are there, new and ready."""
    alive = living(pods)
    return len(alive) == wanted.replicas and all(
        pod.is_ready and not pod.is_deleted and pod.ip is not None and is_new(pod, wanted) for pod in alive
    )


def is_new(pod: Pod, wanted: Wanted) -> bool:
    """Whether it is of what was applied, and not of before."""
    return all(pod.annotations.get(key) == value for key, value in wanted.annotations.items())
