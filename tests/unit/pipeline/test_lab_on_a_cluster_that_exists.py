"""The verbs on a cluster that exists: the real manifests, rendered by the real kubectl, with a test for an API server.

Neither docker nor kind is on PATH: such a lab needs none of them once its images were pushed.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from fake_programs import FakeProgram
from loadlab.errors import ClusterError
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.kubectl import find_tool
from loadlab.execute.cluster.lab import LabState, check_own
from loadlab.execute.cluster.namespace import (
    LABEL,
    AnotherCheckoutError,
    checkout_id,
    claim,
    make_namespace,
    whose_namespace,
)
from loadlab.execute.cluster.state import LabFolder
from loadlab.execute.lab.record import LabRecord, read_record, write_record
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.model.cluster import ClusterFacts
from loadlab.pipeline.kubernetes_rig import Reached, _alone
from loadlab.pipeline.lab_down import lab_down
from loadlab.pipeline.lab_logs import lab_logs
from loadlab.pipeline.lab_site import Site
from loadlab.pipeline.lab_status import lab_status
from loadlab.pipeline.lab_up import lab_up
from loadlab.pipeline.layout import checkout

WORKERS = 3
STATE = LabState(images={}, workers=WORKERS)
FACTS = ClusterFacts(
    kind="cluster",
    uid="u",
    server_version="v1",
    kubectl_version="v1",
    nodes=(),
    cpu_limit_cores=1.0,
    memory_limit="1Gi",
)
ROLES = {"a": "sut", "b": "loadgen", "theirs": None}
REPLICAS = {
    **dict.fromkeys(("flask", "fastapi", "upstream", "locust-master", "prometheus", "grafana"), 1),
    "locust-worker": WORKERS,
}
REACHED = f"""
import http.server, json, sys
ANSWERS = {{
    "/data": {{}},
    "/api/health": {{}},
    "/stats/requests": {{"workers": [{{"state": "ready"}}] * {WORKERS}}},
    "/api/v1/targets?state=active": {{"data": {{"activeTargets": [{{"health": "up"}}]}}}},
}}
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ANSWERS else 404)
        self.end_headers()
        self.wfile.write(json.dumps(ANSWERS.get(self.path)).encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1].split(":")[0])), Answer).serve_forever()
"""


THERE = """
shopt -s nullglob; made=("$0".made.*)
[ ${#made[@]} = 0 ] || { echo '{"items": ['; cat "${made[0]}"; for one in "${made[@]:1}"; do echo ,; cat "$one"; done
echo ']}'; }"""
"""The namespace and the mark, where they were made; nothing where neither was, as kubectl does it."""
CREATE = """
said=$(cat); case "$said" in *'"kind":"Namespace"'*) kind=Namespace;; *) kind=ConfigMap;; esac
[ ! -e "$0.made.$kind" ] || { echo "Error from server (AlreadyExists): $kind" >&2; exit 1; }
echo "$said" >"$0.made.$kind"
"""


class Elsewhere:
    """A cluster of somebody else's, and the checkout that raises its lab there."""

    def __init__(self, folder: Path, roles: Mapping[str, str | None] = ROLES) -> None:
        self._applied = folder / "applied"
        self._applied.mkdir()
        self.kubectl = FakeProgram(folder / "bin", "kubectl")
        self._answers(folder, roles)
        environ = {"PATH": str(folder / "bin"), "LAB_KUBECONFIG": "their-kubeconfig", "LAB_CONTEXT": "eks"}
        self.said: list[str] = []
        self._environ = environ
        self.site = self.checkout(folder / ".lab")

    def checkout(self, lab: Path) -> Site:
        """A checkout whose lab is meant to be there, with images pushed. lab: its folder."""
        pushed = {name: _pushed(name) for name in ("flask", "fastapi", "upstream", "locust")}
        lab.mkdir()
        (lab / "images.json").write_bytes(orjson.dumps(pushed))
        return Site(
            layout=checkout(),
            lab=LabFolder(root=lab),
            environ=self._environ,
            say=self.said.append,
            clock=SystemClock(),
            toolbox=Toolbox(checkout().root, environ=self._environ, say=self.said.append),
        )

    def objects(self) -> list[dict[str, Any]]:
        """All that was applied, oldest first."""
        texts = [path.read_text() for path in sorted(self._applied.glob("*.yaml"))]
        return [one for text in texts for one in yaml.safe_load_all(text) if one]

    def made(self) -> list[Path]:
        """The namespace and the mark, as far as they are there."""
        return sorted(self.kubectl.path.parent.glob("*.made.*"))

    def asked(self, verb: str) -> list[str]:
        """What kubectl was asked to do, without where."""
        where = "--kubeconfig their-kubeconfig --context eks "
        told = [words.removeprefix(where).removeprefix("--namespace loadlab ") for words in self.kubectl.asked]
        return [words for words in told if words.startswith(verb)]

    def _answers(self, folder: Path, roles: Mapping[str, str | None]) -> None:
        real = find_tool("kubectl", checkout().tools)
        server, password = folder / "server.py", self._applied / "2.yaml"
        server.write_text(REACHED)
        versions = {"clientVersion": {"gitVersion": "v1.36.3"}, "serverVersion": {"gitVersion": "v1.35.0"}}
        self.kubectl.says("version --client", "v1.36.3").says("*version -o json*", _json(versions))
        self.kubectl.answer("*kustomize*", f'exec "{real}" kustomize "${{@: -1}}"')
        self.kubectl.says("*get nodes*", _json({"items": [_node(name, role) for name, role in roles.items()]}))
        self.kubectl.answer("*get namespaces/loadlab configmaps/lab-checkout --ignore-not-found -o json", THERE)
        self.kubectl.answer("*apply*", f"cat >'{self._applied}'/$(($(ls '{self._applied}' | wc -l) + 1)).yaml")
        self.kubectl.answer("*get secret*", f"[ -e '{password}' ] && echo secret/grafana-admin || true")
        self.kubectl.says("*diff*", "").says("*delete*", "").says("*get pods*", _json({"items": []}))
        self.kubectl.answer("*create -f -", CREATE).answer("*delete namespace loadlab*", 'rm -f "$0".made.*')
        self.kubectl.answer("*wait --for=delete namespace/loadlab*", 'rm -f "$0".made.*')
        self.kubectl.answer("*delete configmap lab-checkout*", 'rm -f "$0".made.ConfigMap')
        self.kubectl.answer("*replace -f -", 'cat >"$0.made.ConfigMap"')
        self.kubectl.says("*get deployments*", _json({"items": [_deployment(*one) for one in REPLICAS.items()]}))
        self.kubectl.says("*get deployments,services,secrets,configmaps,networkpolicies -l *", _json({"items": []}))
        self.kubectl.says("*get service *", _json({"spec": {"clusterIP": "10.0.0.1"}})).says("*exec*", "open\nclosed")
        self.kubectl.answer("*port-forward*", f'exec "{sys.executable}" -IS "{server}" "${{@: -1}}"')


def _json(record: object) -> str:
    return orjson.dumps(record).decode()


def _pushed(name: str) -> dict[str, Any]:
    pushed = {"image": f"host/team/loadlab/{name}", "digest": f"sha256:{name}"}
    return {"image": f"loadlab/{name}", "tag": "c-1", "id": "sha256:here", "pushed": pushed}


def _node(name: str, role: str | None) -> dict[str, Any]:
    labels = {"loadlab.dev/role": role} if role else {}
    ready = [{"type": "Ready", "status": "True" if role else "False"}]
    info = {"kubeletVersion": "v1.35.0"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": ready, "nodeInfo": info}}


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    counts = dict.fromkeys(("updatedReplicas", "readyReplicas", "replicas", "availableReplicas"), replicas)
    return {"metadata": {"name": name, "generation": 1}, "status": {"observedGeneration": 1, **counts}}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


def test_the_lab_is_raised_there_with_pushed_images_and_as_many_workers_as_asked_for(elsewhere: Elsewhere) -> None:
    raised = lab_up(elsewhere.site, workers=WORKERS)
    assert (raised.has_changed, dict(raised.urls)) == (True, {})
    deployments = {one["metadata"]["name"]: one["spec"] for one in elsewhere.objects() if one["kind"] == "Deployment"}
    assert {name: spec["replicas"] for name, spec in deployments.items()} == REPLICAS
    images = {name: spec["template"]["spec"]["containers"][0]["image"] for name, spec in deployments.items()}
    assert {name for name, image in images.items() if image.startswith("host/team/loadlab/")} == {
        *("flask", "fastapi", "upstream", "locust-master", "locust-worker"),
    }
    assert not any("unbuilt" in image for image in images.values())
    master = {
        one["name"]: one.get("value")
        for one in deployments["locust-master"]["template"]["spec"]["containers"][0]["env"]
    }
    assert master["LOCUST_EXPECT_WORKERS"] == str(WORKERS)
    assert not [one for one in elsewhere.objects() if one["kind"] == "Service" and "type" in one["spec"]]
    assert [one["metadata"]["name"] for one in elsewhere.objects() if one["kind"] == "Secret"] == ["grafana-admin"]
    assert any(line.startswith("smoke") and "Locust with 3 workers" in line for line in elsewhere.said)


def test_a_second_call_there_changes_nothing_and_status_finds_nothing_amiss(elsewhere: Elsewhere) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    applied = len(elsewhere.asked("apply"))
    assert lab_up(elsewhere.site).has_changed is False
    assert len(elsewhere.asked("apply")) == applied == 2, "the manifests and Grafana's password, once each"
    record = read_record(elsewhere.site.lab.record)
    assert record is not None
    assert (record.target, record.context, record.workers) == ("cluster", "eks", WORKERS)
    assert (record.is_up, record.policies, record.images["flask"]) == (True, "enforced", "sha256:flask")
    found = lab_status(elsewhere.site)
    assert (found["problems"], found["versions"]) == ([], {"kubectl": "1.36.3", "kubernetes": "1.35.0"})
    assert [node["name"] for node in found["nodes"]] == ["a", "b"], "other people's nodes are nobody's business"


def test_what_was_never_applied_is_no_lab_that_could_be_taken_down(elsewhere: Elsewhere) -> None:
    """Its namespace may be another checkout's."""
    elsewhere.site.lab.images.unlink()
    with pytest.raises(ClusterError, match="images"):
        lab_up(elsewhere.site)
    assert elsewhere.asked("apply") == []
    assert read_record(elsewhere.site.lab.record) is None


CHANGES = "diff -u -N /t/LIVE-1/apps.v1.Deployment.loadlab.locust-master /t/MERGED-2/x\n+ other\n"


def test_a_call_that_is_cut_off_while_it_applies_leaves_a_lab_that_nobody_has_seen_whole(elsewhere: Elsewhere) -> None:
    """The next one starts the workers anew, whether the master was changed by it or before, and finds all to prune."""
    lab_up(elsewhere.site, workers=WORKERS)
    applied = elsewhere.site.lab.overlay / "applied.yaml"
    applied.write_text(applied.read_text() + "---\nkind: ConfigMap\nmetadata: {name: of-before, namespace: loadlab}\n")
    elsewhere.kubectl.says("*diff*", CHANGES, code=1).says("*apply*", "the connection was lost", code=1, to="err")
    with pytest.raises(ClusterError, match="the connection was lost"):
        lab_up(elsewhere.site, workers=WORKERS + 1)
    record = read_record(elsewhere.site.lab.record)
    assert record is not None
    assert (record.is_up, record.policies) == (False, None)
    elsewhere.kubectl.says("*diff*", "").says("*apply*", "")
    lab_up(elsewhere.site, workers=WORKERS)
    deleted = elsewhere.asked("delete")
    assert "delete ConfigMap/of-before --ignore-not-found --wait=false" in deleted
    assert "delete pods -l app.kubernetes.io/name=locust-worker" in deleted


def test_what_a_killed_run_of_urls_has_left_is_seen_and_removed(elsewhere: Elsewhere) -> None:
    """It has no stack of its own, but a Secret and a way out of the cluster."""
    lab_up(elsewhere.site, workers=WORKERS)
    kinds = {"run-secrets": "Secret", "run-url-one": "NetworkPolicy"}
    left = {"items": [{"kind": kind, "metadata": {"name": name}} for name, kind in kinds.items()]}
    elsewhere.kubectl.says("*get deployments,services,secrets,configmaps,networkpolicies -l *", _json(left))
    told = "secret/run-secrets, networkpolicy/run-url-one"
    assert f"a run was cut off and left {told}" in "\n".join(lab_status(elsewhere.site)["problems"])
    lab_up(elsewhere.site, workers=WORKERS)
    assert any(f"removed what a run has left: {told}" in line for line in elsewhere.said)
    assert any(words.startswith("delete deployments,services,secrets") for words in elsewhere.asked("delete"))


def test_lab_down_there_removes_the_namespace_and_the_role_and_nothing_else(elsewhere: Elsewhere) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    lab_down(elsewhere.site)
    assert elsewhere.asked("delete") == [
        "delete clusterrole,clusterrolebinding -l app.kubernetes.io/part-of=loadlab --ignore-not-found",
        "delete namespace loadlab",
    ]
    wide = [one for one in elsewhere.objects() if one["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    assert {one["metadata"]["labels"]["app.kubernetes.io/part-of"] for one in wide} == {"loadlab"}
    assert read_record(elsewhere.site.lab.record) is None


@pytest.fixture
def other(elsewhere: Elsewhere, tmp_path: Path) -> Site:
    """Another checkout that means the same cluster."""
    return elsewhere.checkout(tmp_path / ".lab-of-another")


def test_of_two_checkouts_only_the_one_that_raised_the_lab_touches_it(elsewhere: Elsewhere, other: Site) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    mine, theirs = (checkout_id(site.lab) for site in (elsewhere.site, other))
    assert mine != theirs
    done = {verb: len(elsewhere.asked(verb)) for verb in ("apply", "create", "delete", "annotate")}
    refused = rf"the lab in its namespace loadlab is of another checkout \({mine}, this one is {theirs}\); it is left"
    with pytest.raises(AnotherCheckoutError, match=refused):
        lab_up(other, workers=WORKERS)
    with pytest.raises(AnotherCheckoutError, match=refused):
        check_own(other.kubectl(), theirs)
    write_record(other.lab.record, LabRecord(target="cluster", context="eks", is_up=True))
    assert any(refused_line.startswith("context eks: the lab in") for refused_line in lab_status(other)["problems"])
    lab_down(other)
    assert any("there are none of this checkout" in line for line in elsewhere.said)
    assert {verb: len(elsewhere.asked(verb)) for verb in done} == done, "nothing was made, changed or removed"
    check_own(elsewhere.site.kubectl(), mine)


def test_of_two_checkouts_at_once_one_gets_the_namespace_before_anything_is_in_it(
    elsewhere: Elsewhere, other: Site
) -> None:
    """The other one claims it between this one's look and its claim."""
    kubectl, theirs = other.kubectl(), checkout_id(other.lab)
    look = (elsewhere.site.kubectl(), elsewhere.site.checkout)
    assert whose_namespace(*look) == "absent"
    make_namespace(kubectl, {"kind": "Namespace", "metadata": {"labels": {LABEL: "loadlab"}}})
    assert whose_namespace(*look) == "unclaimed"
    claim(kubectl, theirs)
    claim(kubectl, theirs)
    with pytest.raises(AnotherCheckoutError, match=theirs):
        claim(*look)


def test_the_mark_is_there_before_anything_else_is(elsewhere: Elsewhere) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    told = [words.split()[0] for words in elsewhere.asked("") if words.split()[0] in ("create", "apply")]
    assert told[:3] == ["create", "create", "apply"]
    ((namespace, mark),) = [[path.read_text() for path in elsewhere.made()]]
    assert '"kind":"Namespace"' in mark + namespace
    assert f'"checkout":"{elsewhere.site.checkout}","for":"lab"' in mark + namespace


def test_a_run_in_a_lab_that_was_applied_by_hand_lets_go_of_it_and_one_in_a_lab_of_its_own_does_not(
    elsewhere: Elsewhere, other: Site
) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    mine = Reached(kubectl=elsewhere.site.kubectl(), folder=elsewhere.site.lab, state=STATE, facts=FACTS)
    theirs = replace(mine, kubectl=other.kubectl(), folder=other.lab)
    with _alone(mine) as give_back, pytest.raises(AnotherCheckoutError), _alone(theirs):
        pass
    give_back()
    assert whose_namespace(mine.kubectl, elsewhere.site.checkout) == "ours"
    elsewhere.site.kubectl().run("delete", "configmap", "lab-checkout")
    with _alone(theirs) as give_back:
        assert whose_namespace(theirs.kubectl, other.checkout) == "borrowed"
        with pytest.raises(AnotherCheckoutError), _alone(mine):
            pass
        give_back()
    assert whose_namespace(theirs.kubectl, other.checkout) == "unclaimed"
    with _alone(theirs) as give_back:
        elsewhere.site.kubectl().run("delete", "configmap", "lab-checkout")
        claim(mine.kubectl, elsewhere.site.checkout)
        give_back()
    assert whose_namespace(mine.kubectl, elsewhere.site.checkout) == "ours", "it was given into other hands meanwhile"
    elsewhere.site.kubectl().run("delete", "configmap", "lab-checkout")
    claim(mine.kubectl, elsewhere.site.checkout, "run")
    lab_up(elsewhere.site)
    assert whose_namespace(mine.kubectl, elsewhere.site.checkout) == "ours", "what a killed run borrowed is kept"


def test_a_namespace_that_is_being_removed_is_waited_for(elsewhere: Elsewhere) -> None:
    """As after a `make lab-down` that was cut off; by the next one, and by `make lab-up`."""
    lab_up(elsewhere.site, workers=WORKERS)
    going = {"kind": "Namespace", "metadata": {"labels": {LABEL: "loadlab"}, "deletionTimestamp": "now"}}
    (namespace,) = [path for path in elsewhere.made() if path.name.endswith("Namespace")]
    (mark,) = [path for path in elsewhere.made() if path.name.endswith("ConfigMap")]
    mark.unlink()
    namespace.write_text(_json(going))
    assert "is removing its namespace" in " ".join(lab_status(elsewhere.site)["problems"])
    with pytest.raises(ClusterError, match="somebody is removing its namespace loadlab"):
        check_own(elsewhere.site.kubectl(), elsewhere.site.checkout)
    lab_up(elsewhere.site, workers=WORKERS)
    assert len(elsewhere.asked("wait --for=delete namespace/loadlab")) == 1
    assert len(elsewhere.asked("create")) == 4
    namespace.write_text(_json(going))
    lab_down(elsewhere.site)
    assert len(elsewhere.asked("wait --for=delete namespace/loadlab")) == 2
    assert read_record(elsewhere.site.lab.record) is None


def test_what_is_not_this_checkouts_is_not_collected_for_a_bug_report(
    elsewhere: Elsewhere, other: Site, tmp_path: Path
) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    lab_logs(other, tmp_path / "logs.tar.gz")
    with tarfile.open(tmp_path / "logs.tar.gz") as tar:
        names = tar.getnames()
        told = tar.extractfile("lab-logs/cluster/kubectl.txt")
        assert told is not None
        assert "is of another checkout" in told.read().decode()
    assert not [name for name in names if "/pods/" in name or name.endswith("pods.txt")]


def test_a_lab_of_which_the_record_is_lost_is_still_known_by_its_mark(elsewhere: Elsewhere, other: Site) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    elsewhere.site.lab.record.unlink()
    with pytest.raises(AnotherCheckoutError):
        lab_down(other)
    lab_down(elsewhere.site)
    assert "delete namespace loadlab" in elsewhere.asked("delete")


def test_a_lab_that_nobody_has_claimed_is_taken_over_and_not_taken_down(elsewhere: Elsewhere) -> None:
    """Such as one that was applied by hand, or raised before labs were marked."""
    lab_up(elsewhere.site, workers=WORKERS)
    mark, _ = elsewhere.made()
    mark.unlink()
    with pytest.raises(ClusterError, match=r"in namespace loadlab says that this .* `make lab-up` claims it, then"):
        lab_down(elsewhere.site)
    assert elsewhere.asked("delete") == []
    check_own(elsewhere.site.kubectl(), elsewhere.site.checkout)
    lab_up(elsewhere.site)
    assert elsewhere.site.checkout in mark.read_text()
    lab_down(elsewhere.site)
    assert "delete namespace loadlab" in elsewhere.asked("delete")


def test_a_role_whose_namespace_somebody_removed_goes_with_the_lab(elsewhere: Elsewhere) -> None:
    lab_up(elsewhere.site, workers=WORKERS)
    elsewhere.site.kubectl().run("delete", "namespace", "loadlab")
    lab_down(elsewhere.site)
    assert any(words.startswith("delete clusterrole,clusterrolebinding") for words in elsewhere.asked("delete"))
    assert read_record(elsewhere.site.lab.record) is None


def test_a_checkout_has_one_name_which_stays(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path / "new" / ".lab")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: checkout_id(folder), range(32)))) == 1
    assert [path.name for path in folder.root.iterdir()] == ["checkout"]


def test_a_context_that_leads_nowhere_is_one_line_with_the_variables_that_name_it(elsewhere: Elsewhere) -> None:
    elsewhere.kubectl.says("*version -o json*", 'error: context "eks" does not exist', code=1, to="err")
    expected = (
        r'^context eks: kubectl version.*: context "eks" does not exist; see that LAB_KUBECONFIG and LAB_CONTEXT name'
    )
    with pytest.raises(ClusterError, match=expected):
        lab_up(elsewhere.site)


def test_a_cluster_whose_nodes_have_no_roles_gets_nothing_applied(tmp_path: Path) -> None:
    bare = Elsewhere(tmp_path, {"a": "sut", "theirs": None})
    with pytest.raises(
        ClusterError, match=r"^context eks: no node carries the labels .* label and taint nodes as k8s/"
    ):
        lab_up(bare.site)
    assert bare.asked("apply") == []
    assert read_record(bare.site.lab.record) is None
