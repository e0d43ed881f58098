"""A rollout is waited for by generation, and what is stuck is explained."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fake_programs import FakeProgram
from loadlab.errors import DeployError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.lab.rollout import troubles, wait_until_up
from simulated import FakeClock


def deployment(name: str, *, ready: int = 1, generation: int = 2, observed: int = 2) -> dict[str, Any]:
    counts = {"updatedReplicas": 1, "readyReplicas": ready, "replicas": 1, "availableReplicas": ready}
    return {
        "metadata": {"name": name, "generation": generation},
        "status": {"observedGeneration": observed, **counts},
    }


def pod(part: str, *, waiting: dict[str, str] | None = None, conditions: tuple[dict[str, str], ...] = ()) -> Any:
    status: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "False"}, *conditions]}
    if waiting:
        status["containerStatuses"] = [{"state": {"waiting": waiting}}]
    return {"metadata": {"name": f"{part}-1", "labels": {"app.kubernetes.io/name": part}}, "status": status}


def items(*found: Any) -> str:
    return orjson.dumps({"items": found}).decode()


def test_all_up_is_told_with_the_number_of_pods(
    kubectl: Kubectl, kubectl_program: FakeProgram, clock: FakeClock
) -> None:
    kubectl_program.says("*get deployments*", items(deployment("flask"), deployment("upstream")))
    assert wait_until_up(kubectl, {"flask": 1, "upstream": 1}, clock) == 2


def test_a_state_of_before_the_last_change_does_not_count(
    kubectl: Kubectl, kubectl_program: FakeProgram, clock: FakeClock
) -> None:
    kubectl_program.says("*get deployments*", items(deployment("flask", generation=3, observed=2)))
    kubectl_program.says("*get pods*", items())
    with pytest.raises(DeployError, match="flask: not up after 5 s, and no pod says why; `make lab-logs`"):
        wait_until_up(kubectl, {"flask": 1}, clock, timeout_s=5.0)


def test_a_pod_that_crashes_is_shown_with_events_and_last_log_lines(
    kubectl: Kubectl, kubectl_program: FakeProgram, clock: FakeClock
) -> None:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 20s"}
    event = {"type": "Warning", "reason": "BackOff", "message": "restarting failed container"}
    kubectl_program.says("*get deployments*", items(deployment("flask", ready=0)))
    kubectl_program.says("*get pods*", items(pod("flask", waiting=waiting)))
    kubectl_program.says("*get events*", items(event))
    kubectl_program.says("*logs flask-1*--previous*", "SVC_THREADS: got 0, expected 1 or more")
    with pytest.raises(DeployError) as told:
        wait_until_up(kubectl, {"flask": 1}, clock)
    message = str(told.value)
    assert "\n" not in message
    assert "flask: pod flask-1: CrashLoopBackOff (back-off 20s)" in message
    assert "events: BackOff: restarting failed container" in message
    assert "last log lines: SVC_THREADS: got 0, expected 1 or more" in message
    assert "then `make lab-up` goes on" in message


def test_a_pod_without_a_place_says_what_the_scheduler_says(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    unplaced = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 1 Insufficient cpu.",
    }
    kubectl_program.says("*get pods*", items(pod("locust-worker", conditions=(unplaced,))))
    (trouble,) = troubles(kubectl)
    assert (trouble.part, trouble.reason) == ("locust-worker", "Unschedulable")
    assert "Insufficient cpu" in trouble.message


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (
            "locust-worker",
            "ask for fewer workers (`make lab-up WORKERS=1`), or give them a node with room and try again",
        ),
        ("flask", "mend that, then `make lab-up` goes on"),
    ],
)
def test_workers_that_do_not_go_in_are_asked_to_be_fewer(
    kubectl: Kubectl, kubectl_program: FakeProgram, clock: FakeClock, part: str, step: str
) -> None:
    """The number is kept from call to call: without a new one the next call would stumble over the same pods."""
    message = "0/3 nodes are available: 1 Insufficient cpu."
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    kubectl_program.says("*get deployments*", items(deployment(part, ready=0)))
    kubectl_program.says("*get pods*", items(pod(part, conditions=(unplaced,))))
    kubectl_program.says("*get events*", items()).says("*logs*", "", code=1)
    with pytest.raises(DeployError) as told:
        wait_until_up(kubectl, {part: 1}, clock)
    assert f"{part}: pod {part}-1: Unschedulable ({message}); {step}" in str(told.value)


def test_a_pod_of_another_part_is_not_blamed(kubectl: Kubectl, kubectl_program: FakeProgram, clock: FakeClock) -> None:
    crashed = pod("own-thing", waiting={"reason": "CrashLoopBackOff", "message": ""})
    kubectl_program.says("*get deployments*", items(deployment("flask", ready=0)))
    kubectl_program.says("*get pods*", items(crashed))
    with pytest.raises(DeployError, match="flask: not up after 30 s"):
        wait_until_up(kubectl, {"flask": 1}, clock, timeout_s=30.0)
