"""kubectl is called with its cluster and namespace, and what it says becomes one line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loadlab.errors import ClusterError
from loadlab.execute.cluster.kubectl import Kubectl, find_tool
from loadlab.execute.cluster.lab import runs_on_kind
from loadlab.execute.cluster.state import ClusterRef, LabFolder

CLUSTER = ClusterRef(kubeconfig=Path("kubeconfig"), context="kind-loadlab")


def _kubectl(folder: Path, script: str) -> Kubectl:
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Kubectl(program, CLUSTER)


def test_every_call_names_cluster_and_namespace(tmp_path: Path) -> None:
    said = _kubectl(tmp_path, 'echo "$@"').run("get", "pods")
    expected = "--kubeconfig kubeconfig --context kind-loadlab --namespace loadlab get pods"
    assert said == f"{expected}\n"


def test_a_failure_is_one_line_with_what_kubectl_said(tmp_path: Path) -> None:
    kubectl = _kubectl(tmp_path, "printf 'error: no such thing\\nlook there\\n' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"^kubectl get pods: no such thing; look there$"):
        kubectl.run("get", "pods")


def test_a_call_that_hangs_is_ended_and_says_so(tmp_path: Path) -> None:
    kubectl = _kubectl(tmp_path, "exec sleep 30")
    with pytest.raises(ClusterError, match=r"no end after 0\.2 s; is the API server of kind-loadlab up"):
        kubectl.run("get", "pods", timeout_s=0.2)


def test_manifests_go_in_by_standard_input_with_the_labs_field_manager(tmp_path: Path) -> None:
    said = _kubectl(tmp_path, 'echo "$@"; cat').apply("kind: Pod\n")
    assert said.split("\n")[0].endswith("apply --server-side --force-conflicts --field-manager=loadlab -f -")
    assert said.endswith("kind: Pod\n")


def test_json_is_decoded(tmp_path: Path) -> None:
    assert _kubectl(tmp_path, "echo '{\"items\": []}'").json("get", "pods") == {"items": []}


def test_a_program_that_went_away_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="is gone; run `make lab-up`"):
        Kubectl(tmp_path / "kubectl", CLUSTER).run("version")


def test_a_tool_is_found_where_the_lab_brought_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"kind: not on PATH and not in .tools/bin; run `make tools`"):
        find_tool("kind", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kind").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "kind").chmod(0o755)
    assert find_tool("kind", tmp_path) == tmp_path / "bin" / "kind"


def test_the_cluster_is_the_labs_own_unless_the_environment_names_another(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    assert folder.cluster({}) == ClusterRef(kubeconfig=tmp_path / "kubeconfig", context="kind-loadlab")
    other = folder.cluster({"LAB_KUBECONFIG": "elsewhere", "LAB_CONTEXT": "production"})
    assert other == ClusterRef(kubeconfig=Path("elsewhere"), context="production")


@pytest.mark.parametrize(
    ("ids", "is_kind"),
    [(("kind://docker/a/b", "kind://podman/a/c"), True), (("kind://docker/a/b", "aws:///x"), False), ((None,), False)],
)
def test_a_kind_cluster_is_told_by_its_nodes_whatever_its_context_is_called(
    tmp_path: Path, ids: tuple[str | None, ...], is_kind: bool
) -> None:
    nodes = {"items": [{"spec": {} if one is None else {"providerID": one}} for one in ids]}
    assert runs_on_kind(_kubectl(tmp_path, f"echo '{orjson.dumps(nodes).decode()}'")) is is_kind


def test_a_cluster_answers_or_does_not(tmp_path: Path) -> None:
    assert _kubectl(tmp_path, "echo ok").answers()
    assert not _kubectl(tmp_path, "exit 1").answers()
