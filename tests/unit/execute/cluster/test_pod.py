"""What has befallen a pod is judged from the API server's JSON; the records here were kept from a real cluster."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from loadlab.execute.cluster.pod import befallen, read_pod

IMAGE_ID = "sha256:a66d393a62f02f08da5abab1b600b5aed9f1e526437dc131f53089ea4f8014ac"
RECORDED: dict[str, Any] = {
    "metadata": {
        "name": "stack-flask-86484bb79d-cphvw",
        "uid": "9b0c",
        "labels": {"app.kubernetes.io/instance": "run", "loadlab.dev/stack": "flask"},
        "annotations": {"loadlab.dev/block": "1.2"},
    },
    "spec": {"nodeName": "loadlab-worker", "containers": [{"image": "loadlab/flask:c-d1b32e4359b1"}]},
    "status": {
        "phase": "Running",
        "podIP": "10.244.2.23",
        "conditions": [
            {"lastTransitionTime": "2026-11-25T23:46:07Z", "status": "True", "type": "Ready"},
            {"lastTransitionTime": "2026-11-25T23:46:02Z", "status": "True", "type": "PodScheduled"},
        ],
        "containerStatuses": [
            {"imageID": IMAGE_ID, "lastState": {}, "restartCount": 0, "state": {"running": {}}, "ready": True}
        ],
    },
}
UNSCHEDULABLE: dict[str, Any] = {
    "metadata": {"name": "stack-flask-86484bb79d-tb2pw", "uid": "77a1"},
    "spec": {"containers": [{"image": "loadlab/flask:c-d1b32e4359b1"}]},
    "status": {
        "phase": "Pending",
        "conditions": [
            {
                "message": "0/3 nodes are available: 1 Insufficient cpu.",
                "reason": "Unschedulable",
                "status": "False",
                "type": "PodScheduled",
            }
        ],
    },
}


def _changed(**status: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RECORDED)
    raw["status"].update(status)
    return raw


def _container(**fields: Any) -> list[dict[str, Any]]:
    return [{"imageID": IMAGE_ID, "lastState": {}, "restartCount": 0, "state": {}, **fields}]


def test_a_ready_pod_tells_where_it_runs_and_how_long_it_took() -> None:
    pod = read_pod(RECORDED)
    assert (pod.node, pod.ip, pod.image_id, pod.startup_s) == ("loadlab-worker", "10.244.2.23", IMAGE_ID, 5.0)
    assert pod.hopeless is None
    assert befallen([pod], [pod], what="flask") == []


def test_a_pod_without_a_place_says_why() -> None:
    pod = read_pod(UNSCHEDULABLE)
    assert pod.unschedulable == "0/3 nodes are available: 1 Insufficient cpu."
    assert (pod.startup_s, pod.hopeless) == (None, None)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            _changed(
                containerStatuses=_container(
                    restartCount=1, lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}}
                )
            ),
            "restarted (OOMKilled, exit code 137)",
        ),
        (_changed(phase="Failed", reason="Evicted"), "failed: Evicted"),
        (
            _changed(
                phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "tmp" exceeds the limit "64Mi".'
            ),
            'failed: Evicted: Usage of EmptyDir volume "tmp" exceeds the limit "64Mi".',
        ),
        (
            _changed(conditions=[{"lastTransitionTime": "2026-11-25T23:47:00Z", "status": "False", "type": "Ready"}]),
            "became unready",
        ),
        (
            _changed(conditions=[{"lastTransitionTime": "2026-11-25T23:47:00Z", "status": "True", "type": "Ready"}]),
            "was unready for a while",
        ),
        (
            {**RECORDED, "metadata": {**RECORDED["metadata"], "deletionTimestamp": "2026-11-25T23:47:00Z"}},
            "is being deleted",
        ),
        ({**RECORDED, "metadata": {**RECORDED["metadata"], "uid": "other"}}, "was deleted"),
    ],
)
def test_what_befell_a_pod_is_told_in_a_line(changed: dict[str, Any], line: str) -> None:
    told = befallen([read_pod(RECORDED)], [read_pod(changed)], what="flask")
    assert told == [f"flask: pod stack-flask-86484bb79d-cphvw {line}"]


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "ErrImageNeverPull"])
def test_waiting_does_not_mend_what_is_hopeless(reason: str) -> None:
    waiting = _changed(containerStatuses=_container(state={"waiting": {"reason": reason, "message": "why"}}))
    assert read_pod(waiting).hopeless == f"{reason}: why"


def test_a_container_that_is_being_created_is_not_hopeless() -> None:
    waiting = _changed(containerStatuses=_container(state={"waiting": {"reason": "ContainerCreating"}}))
    assert read_pod(waiting).hopeless is None
