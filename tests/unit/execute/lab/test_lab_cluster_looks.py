"""What is asked of a cluster that is up: drift, enforcement of policies, inventory, and what is collected."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from fake_programs import FakeProgram
from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl
from loadlab.execute.lab.drift import drift
from loadlab.execute.lab.edges import enforcement
from loadlab.execute.lab.inventory import nodes, pods
from loadlab.execute.lab.kind import Kind
from loadlab.execute.lab.log_bundle import from_cluster, without_secrets, write_bundle
from loadlab.execute.lab.overlay import Rendered
from loadlab.execute.lab.program import Said

RENDERED = Rendered(text="kind: Service\nmetadata: {name: a}\n")
SERVICE = orjson.dumps({"spec": {"clusterIP": "10.96.0.7"}}).decode()


def test_no_difference_is_no_drift(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    kubectl_program.says("*diff*", "")
    assert drift(kubectl, RENDERED) == ()


def test_what_is_different_is_named(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    live, merged = "/tmp/LIVE-12", "/tmp/MERGED-34"
    names = ("apps.v1.Deployment.loadlab.flask", "v1.ConfigMap.loadlab.prometheus-config-h9t4")
    text = "\n".join(f"diff -u -N {live}/{name} {merged}/{name}\n--- a\n+++ b\n-x\n+y" for name in names)
    kubectl_program.says("*diff*", text, code=1)
    assert drift(kubectl, RENDERED) == ("Deployment/flask", "ConfigMap/prometheus-config-h9t4")


def test_a_cluster_that_does_not_answer_is_no_drift(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    kubectl_program.says("*diff*", "connection refused", code=1, to="err")
    with pytest.raises(ClusterError, match="kubectl diff: connection refused"):
        drift(kubectl, RENDERED)


@pytest.mark.parametrize(
    ("said", "judged"),
    [("open closed", "enforced"), ("open open", "not enforced"), ("closed closed", None), ("", None)],
)
def test_enforcement_is_what_was_seen_and_never_guessed(
    kubectl: Kubectl, kubectl_program: FakeProgram, said: str, judged: str | None
) -> None:
    kubectl_program.says("*get service*", SERVICE).says("*exec*", said)
    assert enforcement(kubectl) == judged


def test_a_try_that_fails_proves_nothing(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    kubectl_program.says("*get service*", SERVICE).says("*exec*", "no such pod", code=1, to="err")
    assert enforcement(kubectl) is None


def test_a_cluster_that_is_not_made_shows_kinds_own_error_and_keeps_all_of_it(tmp_path: Path) -> None:
    said = " ✗ Preparing nodes\nERROR: failed to create cluster: port is already allocated\nStack trace:\nmain.go"
    kind = FakeProgram(tmp_path, "kind").says("create*", said, code=1, to="err")
    log = tmp_path / ".lab" / "logs" / "kind-create.log"
    with pytest.raises(ClusterError, match=r"^kind create cluster: failed to create.* port is .*kind-create.log"):
        Kind(kind.path, tmp_path / "kubeconfig").create("kind: Cluster", image="node", log=log)
    assert "Stack trace" in log.read_text()


@pytest.mark.parametrize("verb", ["create", "export", "delete"])
def test_kind_makes_its_nodes_where_the_lab_looks_for_them(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Docker, whatever the environment tells kind otherwise."""
    told: list[str] = []

    def call(_program: Path, *words: str, env: Mapping[str, str], **_: object) -> Said:
        told.append(f"{words[0]} with {env['KIND_EXPERIMENTAL_PROVIDER']}, path {env['PATH'] == os.environ['PATH']}")
        return Said(code=0, out="", err="")

    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    monkeypatch.setattr("loadlab.execute.lab.kind.call", call)
    kind = Kind(Path("kind"), tmp_path / "kubeconfig")
    if verb == "create":
        kind.create("kind: Cluster", image="node", log=tmp_path / "kind.log")
    else:
        (kind.export_kubeconfig if verb == "export" else kind.delete)()
    assert told == [f"{verb} with docker, path True"]


@pytest.mark.parametrize(
    "line",
    [
        "token: abc123",
        'password="hunter2"',
        "Authorization: Bearer abc123",
        "client-key-data: LS0tLS1",
        "API_KEY=abc123",
        "apikey='a b'",
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(line: str) -> None:
    assert without_secrets(line).endswith("<left out>")


def test_a_bundle_has_what_could_be_had_and_says_why_the_rest_is_not(
    kubectl: Kubectl, kubectl_program: FakeProgram, tmp_path: Path
) -> None:
    pods = {"items": [{"metadata": {"name": "flask-1"}, "status": {"containerStatuses": [{"restartCount": 1}]}}]}
    kubectl_program.says("*", "something").says("*get pods -o json*", orjson.dumps(pods).decode())
    kubectl_program.says("*describe nodes*", "forbidden", code=1, to="err")
    path = tmp_path / "logs.tar.gz"
    failed = write_bundle(path, from_cluster(kubectl, is_own=True), unix_s=0.0)
    assert failed == ("cluster/nodes.txt",)
    with tarfile.open(path) as tar:
        names = set(tar.getnames())
        file = tar.extractfile("lab-logs/cluster/nodes.txt")
        assert file is not None
        assert b"forbidden" in file.read()
    assert {"lab-logs/pods/flask-1.log", "lab-logs/pods/flask-1.previous.log"} <= names
    assert not any("secret" in words for words in kubectl_program.asked)
    assert path.stat().st_mode & 0o077 == 0


def test_of_a_cluster_that_others_use_too_only_what_is_the_labs_is_collected(
    kubectl: Kubectl, kubectl_program: FakeProgram, tmp_path: Path
) -> None:
    kubectl_program.says("*", "something").says("*get pods -o json*", '{"items": []}')
    write_bundle(tmp_path / "logs.tar.gz", from_cluster(kubectl, is_own=False), unix_s=0.0)
    asked = [words for words in kubectl_program.asked if "--namespace loadlab" not in words]
    assert [words.partition(" kind-loadlab ")[2] for words in asked] == [
        "version -o yaml",
        "describe nodes --selector loadlab.dev/role",
    ]


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"loadlab.dev/role": "sut"}, "sut"),
        ({"node-role.kubernetes.io/control-plane": ""}, "control-plane"),
        ({}, None),
    ],
)
def test_a_node_is_called_what_it_is_for(
    kubectl: Kubectl, kubectl_program: FakeProgram, labels: dict[str, str], role: str | None
) -> None:
    status = {"conditions": [], "nodeInfo": {"kubeletVersion": "v1.36.1"}}
    node = {"metadata": {"name": "n", "labels": labels}, "status": status}
    kubectl_program.says("*get nodes*", orjson.dumps({"items": [node]}).decode())
    assert [one["role"] for one in nodes(kubectl)] == [role]


def test_the_record_of_an_evicted_pod_is_no_pod_of_the_lab(kubectl: Kubectl, kubectl_program: FakeProgram) -> None:
    """Another one has its place, and raising the lab again would not take the record away."""
    listed = [
        {
            "metadata": {"name": name},
            "spec": {"containers": [{"image": "x"}]},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(phase == "Running")}]},
        }
        for name, phase in (("flask-1", "Failed"), ("flask-2", "Running"), ("flask-3", "Pending"))
    ]
    kubectl_program.says("*get pods*", orjson.dumps({"items": listed}).decode())
    assert [(pod["name"], pod["is_ready"]) for pod in pods(kubectl)] == [("flask-2", True), ("flask-3", False)]


def test_a_bundle_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"cannot be written: .*name another file by --out"):
        write_bundle(tmp_path / "gone" / "logs.tar.gz", iter(()), unix_s=0.0)
