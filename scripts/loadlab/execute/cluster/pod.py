"""A pod as the API server tells of it, and what has befallen it. Pure: JSON in, records and sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BLOCK = "loadlab.dev/block"
"""Annotation of the pod template that makes every block's pods new ones."""
STACK = "loadlab.dev/stack"
HOPELESS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Why a container waits that waiting does not mend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One pod at one instant. Times are whole seconds, as Kubernetes keeps them; None: has not happened."""

    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    node: str | None
    ip: str | None
    phase: str
    reason: str | None
    """Of a pod that failed as a whole, such as Evicted, and the kubelet's word on it."""
    is_deleted: bool
    is_ready: bool
    scheduled_unix_s: float | None
    ready_unix_s: float | None
    restarts: int
    waiting: str | None
    """Why its container waits: reason and message."""
    ended: str | None
    """How its container ended last: reason and exit code."""
    unschedulable: str | None
    image: str
    image_id: str

    @property
    def startup_s(self) -> float | None:
        """From scheduled to ready, within a second."""
        if self.scheduled_unix_s is None or self.ready_unix_s is None:
            return None
        return self.ready_unix_s - self.scheduled_unix_s

    @property
    def is_over(self) -> bool:
        """Whether it ended as a whole, as by an eviction. It stays listed; another one takes its place."""
        return self.phase in ("Failed", "Succeeded")

    @property
    def hopeless(self) -> str | None:
        """Why it will not get ready by itself; None while it may."""
        if self.phase == "Failed":
            return self.reason or "it failed"
        reason = (self.waiting or "").partition(":")[0]
        return self.waiting if reason in HOPELESS else None


def read_pod(raw: Mapping[str, Any]) -> Pod:
    """A pod of the lab (one container) out of the API's JSON."""
    meta, status = raw["metadata"], raw.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    container: Mapping[str, Any] = next(iter(status.get("containerStatuses", ())), {})
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    is_ready = ready.get("status") == "True"
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        labels=meta.get("labels", {}),
        annotations=meta.get("annotations", {}),
        node=raw["spec"].get("nodeName"),
        ip=status.get("podIP"),
        phase=status.get("phase", "Unknown"),
        reason=_reason(status) if status.get("reason") else None,
        is_deleted="deletionTimestamp" in meta,
        is_ready=is_ready,
        scheduled_unix_s=_unix_s(scheduled) if scheduled.get("status") == "True" else None,
        ready_unix_s=_unix_s(ready) if is_ready else None,
        restarts=container.get("restartCount", 0),
        waiting=_reason(container.get("state", {}).get("waiting")),
        ended=_ended(container),
        unschedulable=scheduled.get("message") if scheduled.get("reason") == "Unschedulable" else None,
        image=raw["spec"]["containers"][0]["image"],
        image_id=container.get("imageID", ""),
    )


def befallen(prepared: Sequence[Pod], now: Iterable[Pod], *, what: str) -> list[str]:
    """One line for each prepared pod that is not what it was: deleted, evicted, restarted, or unready meanwhile."""
    found = {pod.uid: pod for pod in now}
    lines = ((pod, _befell(pod, found.get(pod.uid))) for pod in prepared)
    return [f"{what}: pod {pod.name} {line}" for pod, line in lines if line is not None]


def _befell(before: Pod, now: Pod | None) -> str | None:
    if now is None:
        return "was deleted"
    if now.phase == "Failed" or (now.reason or "").startswith("Evicted"):
        return f"failed: {now.reason or now.ended or 'no reason given'}"
    if now.restarts > before.restarts:
        return f"restarted ({now.ended or 'no reason given'})"
    if now.is_deleted:
        return "is being deleted"
    if not now.is_ready:
        return f"became unready{f' ({now.ended or now.waiting})' if now.ended or now.waiting else ''}"
    if now.ready_unix_s != before.ready_unix_s:
        return "was unready for a while"
    return None


def _unix_s(condition: Mapping[str, Any]) -> float | None:
    at = condition.get("lastTransitionTime")
    return None if at is None else datetime.fromisoformat(str(at)).timestamp()


def _reason(state: Mapping[str, Any] | None) -> str | None:
    if state is None:
        return None
    reason, message = state.get("reason", "waiting"), state.get("message", "")
    return f"{reason}: {message}" if message else str(reason)


def _ended(container: Mapping[str, Any]) -> str | None:
    for state in (container.get("state", {}), container.get("lastState", {})):
        if last := state.get("terminated"):
            return f"{last.get('reason', 'Error')}, exit code {last.get('exitCode')}"
    return None
