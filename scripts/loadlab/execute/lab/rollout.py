"""Waits until everything that was applied is up; what is stuck is explained with events and last log lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadlab.errors import ClusterError, DeployError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.pod import HOPELESS as WAITS_IN_VAIN
from loadlab.execute.ports import Clock

POLL_S = 0.5
READY_S = 180.0
HOPELESS_AFTER_S = 20.0
"""How long a reason that waiting seldom mends is watched: a first pull may be tried again."""
LOG_LINES = 8
EVENTS = 3
HOPELESS = WAITS_IN_VAIN | {"Unschedulable"}
"""Why a pod of the lab does not get ready by waiting; nothing else runs there that would make room for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A pod that is not ready, and why."""

    pod: str
    part: str
    reason: str
    message: str


def wait_until_up(kubectl: Kubectl, deployments: Mapping[str, int], clock: Clock, *, timeout_s: float = READY_S) -> int:
    """Until each Deployment is as applied; the number of pods.

    Raises:
        DeployError: one cannot get ready, or did not in time.
        ClusterError: the API server does not answer.
    """
    began_s = clock.monotonic_s()
    while True:
        found = {one["metadata"]["name"]: one for one in kubectl.json("get", "deployments")["items"]}
        waits = [name for name, replicas in deployments.items() if not _is_up(found.get(name), replicas)]
        if not waits:
            return sum(deployments.values())
        waited_s = clock.monotonic_s() - began_s
        stuck = [one for one in troubles(kubectl) if one.part in waits]
        hopeless = [one for one in stuck if one.reason in HOPELESS and waited_s > HOPELESS_AFTER_S]
        if hopeless:
            raise DeployError(_explained(kubectl, hopeless[0], hopeless[0].reason))
        if waited_s > timeout_s:
            raise DeployError(_late(kubectl, waits, stuck, timeout_s))
        clock.sleep(POLL_S)


def troubles(kubectl: Kubectl) -> tuple[Trouble, ...]:
    """The lab's pods that are not ready. Raises ClusterError."""
    pods = kubectl.json("get", "pods")["items"]
    return tuple(found for pod in pods if (found := _trouble(pod)) is not None)


def _is_up(found: Mapping[str, Any] | None, replicas: int) -> bool:
    if found is None:
        return False
    status = found.get("status", {})
    counts = [status.get(key, 0) for key in ("updatedReplicas", "readyReplicas", "replicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    return seen and counts == [replicas] * len(counts)


def _trouble(pod: Mapping[str, Any]) -> Trouble | None:
    meta, status = pod["metadata"], pod["status"]
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    if "deletionTimestamp" in meta or conditions.get("Ready", {}).get("status") == "True":
        return None
    reason, message = _why(status, conditions)
    part = meta.get("labels", {}).get("app.kubernetes.io/name", meta["name"])
    return Trouble(pod=meta["name"], part=part, reason=reason, message=message)


def _why(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    for container in status.get("containerStatuses", ()):
        waiting = container["state"].get("waiting")
        if waiting:
            return str(waiting.get("reason", "waiting")), str(waiting.get("message", ""))
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason", "Unschedulable")), str(scheduled.get("message", ""))
    return "not ready", str(conditions.get("Ready", {}).get("message", ""))


def _late(kubectl: Kubectl, waits: list[str], stuck: list[Trouble], timeout_s: float) -> str:
    if stuck:
        return _explained(kubectl, stuck[0], f"{stuck[0].reason} after {timeout_s:g} s")
    return f"{', '.join(waits)}: not up after {timeout_s:g} s, and no pod says why; `make lab-logs` collects everything"


def _explained(kubectl: Kubectl, trouble: Trouble, why: str) -> str:
    message = f" ({' '.join(trouble.message.split())[:200]})" if trouble.message else ""
    told = f"{_events(kubectl, trouble.pod)}{_log(kubectl, trouble.pod)}"
    return (
        f"{trouble.part}: pod {trouble.pod}: {why}{message}{told}; "
        f"{_step(trouble)}; `make lab-logs` collects everything"
    )


def _step(trouble: Trouble) -> str:
    """The number of workers is kept from call to call, so that one that does not go in would come again."""
    if (trouble.part, trouble.reason) == ("locust-worker", "Unschedulable"):
        return "ask for fewer workers (`make lab-up WORKERS=1`), or give them a node with room and try again"
    return "mend that, then `make lab-up` goes on"


def _events(kubectl: Kubectl, pod: str) -> str:
    try:
        found = kubectl.json("get", "events", "--field-selector", f"involvedObject.name={pod}")["items"]
    except ClusterError:
        return ""
    chosen = [one for one in found if one.get("type") == "Warning"] or found
    said = [f"{one.get('reason')}: {' '.join(str(one.get('message', '')).split())[:160]}" for one in chosen[-EVENTS:]]
    return f"; events: {' | '.join(said)}" if said else ""


def _log(kubectl: Kubectl, pod: str) -> str:
    for words in (("--previous",), ()):
        try:
            text = kubectl.run("logs", pod, f"--tail={LOG_LINES}", *words)
        except ClusterError:
            continue
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return f"; last log lines: {' | '.join(lines)[:600]}"
    return ""
