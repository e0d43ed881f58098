"""The verbs of the lab on a real cluster, as somebody types them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lab_verbs import ROOT, Verbs
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.namespace import AnotherCheckoutError, checkout_id, claim, whose_namespace
from loadlab.execute.cluster.state import LabFolder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

STAGES = ("doctor", "images", "cluster", "load", "apply", "rollout", "smoke")
KINDS = "deployments,services,configmaps,networkpolicies,serviceaccounts,poddisruptionbudgets"
CONNECT = (
    "import socket, sys\n"
    "try:\n    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()\n    print('open')\n"
    "except OSError:\n    print('closed')"
)


@pytest.fixture
def kubectl(lab: Path) -> Kubectl:
    return Kubectl(find_tool("kubectl", ROOT / ".tools"), LabFolder(root=lab).cluster())


def docker(*words: str) -> list[str]:
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def containers() -> set[str]:
    return set(docker("ps", "--all", "--format", "{{.Names}}"))


def images() -> set[str]:
    """Every name and what it stands for. A set: Docker lists images of the same second in any order."""
    return set(docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"))


def asked_for(kubectl: Kubectl) -> dict[str, tuple[str, object]]:
    """What somebody asked for, of each object: identity, and generation or (where there is none) its version."""
    items = kubectl.json("get", KINDS)["items"]
    return {
        f"{one['kind']}/{one['metadata']['name']}": (
            one["metadata"]["uid"],
            one["metadata"].get("generation", one["metadata"]["resourceVersion"]),
        )
        for one in items
    }


def record_of(lab: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((lab / "lab.json").read_text())
    return found


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """The lines that it printed up to the one that begins so."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.strip().startswith(beginning):
            return lines
    pytest.fail(f"it ended without {beginning!r}: {''.join(lines)}")


def test_a_lab_that_is_up_answers_on_every_address_and_tells_its_stages(verbs: Verbs, lab: Path) -> None:
    record = record_of(lab)
    assert [stage["name"] for stage in record["raised"]] == list(STAGES)
    assert set(record["versions"]) == {"docker", "kind", "node_image", "kubectl", "kubernetes"}
    assert set(record["images"]) >= {"node", "flask", "fastapi", "upstream", "locust", "prometheus"}
    assert all(identity.startswith("sha256:") for identity in record["images"].values())
    status = json.loads(verbs("status", "--json"))
    assert status["is_well"] is True
    assert (status["versions"], status["changes"]) == (record["versions"], [])
    assert {pod["part"] for pod in status["pods"]} >= {"flask", "fastapi", "upstream", "locust-master", "prometheus"}
    for part in ("flask", "fastapi"):
        with urllib.request.urlopen(f"{status['urls'][part]}/data", timeout=10) as answer:
            assert answer.status == 200


def test_a_second_lab_up_changes_nothing(verbs: Verbs, lab: Path, kubectl: Kubectl) -> None:
    verbs("up")
    before, held, running = asked_for(kubectl), images(), containers()
    pods = {one["metadata"]["uid"] for one in kubectl.json("get", "pods")["items"]}
    said = verbs("up")
    assert "the lab was up, nothing has changed" in said
    assert "nothing to load" in said
    assert asked_for(kubectl) == before
    assert images() == held
    assert containers() == running
    assert {one["metadata"]["uid"] for one in kubectl.json("get", "pods")["items"]} == pods


def test_the_lab_carries_the_mark_of_its_checkout_and_no_other_gets_it(lab: Path, kubectl: Kubectl) -> None:
    mine = checkout_id(LabFolder(root=lab))
    assert whose_namespace(kubectl, mine) == "ours"
    claim(kubectl, mine)
    with pytest.raises(AnotherCheckoutError, match=f"is of another checkout \\({mine}, this one is elsewhere-1\\)"):
        claim(kubectl, "elsewhere-1")


def test_what_somebody_changed_is_told_and_put_back(verbs: Verbs, lab: Path, kubectl: Kubectl) -> None:
    kubectl.run("scale", "deployment/flask", "--replicas=0")
    kubectl.run("delete", "networkpolicy/upstream")
    said = verbs("status", code=4)
    assert "Deployment/flask is not as it was applied" in said
    assert "NetworkPolicy/upstream is not as it was applied" in said
    assert "2 objects changed" in verbs("up")
    assert json.loads(verbs("status", "--json"))["drift"] == []


def test_more_workers_join_when_asked_for_and_go_again(verbs: Verbs, lab: Path, kubectl: Kubectl) -> None:
    assert "Locust with 2 workers" in verbs("up", "--workers", "2")
    assert record_of(lab)["workers"] == 2
    assert "Locust with 2 workers" in verbs("up"), "as many as before when nobody says"
    assert "Locust with 1 workers" in verbs("up", "--workers", "1")


def test_enforcement_of_policies_is_reported_as_it_is(verbs: Verbs, lab: Path, kubectl: Kubectl) -> None:
    """From the flask stack, which may call the upstream and nobody else."""
    tries = {}
    for name, port in (("upstream", "8100"), ("prometheus", "9090")):
        address = kubectl.json("get", "service", name)["spec"]["clusterIP"]
        tries[name] = kubectl.run("exec", "deployment/flask", "--", "python", "-c", CONNECT, address, port).strip()
    assert tries["upstream"] == "open"
    expected = {"closed": "enforced", "open": "not enforced"}[tries["prometheus"]]
    assert json.loads(verbs("status", "--json"))["policies"] == expected


def test_the_logs_hold_every_pod_and_no_secret(verbs: Verbs, lab: Path, kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.run("create", "secret", "generic", "e2e", "--from-literal=token=hunter2-e2e")
    try:
        verbs("logs", "--out", str(tmp_path / "logs.tar.gz"))
    finally:
        kubectl.run("delete", "secret", "e2e")
    with tarfile.open(tmp_path / "logs.tar.gz") as tar:
        texts = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        contents = {name: file.read().decode() for name, file in texts.items() if file is not None}
    assert not any("hunter2-e2e" in text or "client-key-data: L" in text for text in contents.values())
    pods = [one["metadata"]["name"] for one in kubectl.json("get", "pods")["items"]]
    assert {f"lab-logs/pods/{name}.log" for name in pods} <= contents.keys()
    assert "Ready" in contents["lab-logs/cluster/nodes.txt"]


def test_a_port_that_somebody_holds_is_named_with_its_process(verbs: Verbs) -> None:
    verbs("down")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 8800))
        taken.listen()
        said = verbs("up", code=4)
    assert "port 8800: got" in said
    assert f"(pid {os.getpid()})" in said
    assert not any(name.startswith("loadlab-worker") for name in containers())


def test_lab_up_that_was_cut_off_twice_is_finished_by_the_next(verbs: Verbs) -> None:
    verbs("down")
    killed = verbs.start("up")
    wait_for_line(killed, "making three nodes")
    time.sleep(6.0)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    interrupted = verbs.start("up")
    wait_for_line(interrupted, "loadlab-worker")
    time.sleep(2.0)
    interrupted.send_signal(signal.SIGINT)
    said, _ = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130, said
    assert "interrupted; `make lab-up` goes on from here" in said
    assert "Traceback" not in said
    assert "the lab is up" in verbs("up")
    assert json.loads(verbs("status", "--json"))["is_well"] is True


def test_lab_down_leaves_nothing_of_the_lab_and_everything_else(verbs: Verbs, lab: Path) -> None:
    made_network = record_of(lab)["network_made"]
    before = containers()
    verbs("down")
    gone = before - containers()
    assert gone
    assert all(name.startswith("loadlab-") for name in gone)
    assert docker("ps", "--all", "--quiet", "--filter", "label=io.x-k8s.kind.cluster=loadlab") == []
    assert not (lab / "kubeconfig").exists()
    assert not (lab / "lab.json").exists()
    others = docker("ps", "--all", "--quiet", "--filter", "network=kind")
    assert ("kind" in docker("network", "ls", "--format", "{{.Name}}")) == (bool(others) or not made_network)
    assert "there is none" in verbs("down")
