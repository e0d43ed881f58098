"""What a run brings beside its stacks, and what one that was killed has left."""

from __future__ import annotations

from pathlib import Path

from fake_programs import FakeProgram
from loadlab.execute.cluster.inputs import RunInputs
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.cluster.state import ClusterRef


def _asked(program: FakeProgram) -> list[list[str]]:
    return [words.partition(" --namespace loadlab ")[2].split() for words in program.asked]


def test_stacks_that_a_killed_run_of_other_names_left_are_gone_before_the_next_asks_for_room(tmp_path: Path) -> None:
    program = FakeProgram(tmp_path, "kubectl").answer("*", "exit 0")
    kubectl = Kubectl(program.path, ClusterRef(kubeconfig=Path("kubeconfig"), context="kind-loadlab"))
    RunInputs(kubectl=kubectl, secrets={"TOKEN": "t"}, locustfile=None, policies=()).put()
    removed, applied = _asked(program)
    assert removed[0] == "delete"
    assert {"deployments", "services", "secrets", "configmaps", "networkpolicies"} == set(removed[1].split(","))
    assert removed[2:4] == ["-l", "app.kubernetes.io/part-of=loadlab,app.kubernetes.io/instance=run"]
    assert applied[0] == "apply"
