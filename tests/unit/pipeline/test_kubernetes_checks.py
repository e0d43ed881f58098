"""What a run on the cluster would stumble over is one line before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import make_experiment, make_provenance
from loadlab.errors import ClusterError, UsageError
from loadlab.execute.cluster.inputs import read_locustfile, url_policy
from loadlab.execute.cluster.lab import check_ready, lab_state, only_run
from loadlab.execute.cluster.room import amount_of, check_room, check_size
from loadlab.execute.cluster.state import LabFolder, check_named
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.record import LabRecord, write_record
from loadlab.model.cluster import ClusterFacts, NodeFacts
from loadlab.model.experiment import CommandService, Experiment, ImageService, OurService, Service, UrlService
from loadlab.pipeline.kubernetes_rig import isolation_of, reach, values_of_secrets
from loadlab.pipeline.layout import Layout, checkout
from loadlab.pipeline.local_rig import cores_for
from loadlab.pipeline.provenance import on_cluster

NODE = NodeFacts(
    name="a", role="sut", cores=2.0, memory="4Gi", kernel="6", system="d", runtime="c", kubelet="v1", architecture="x"
)
FACTS = ClusterFacts(
    kind="kind",
    uid="u",
    server_version="v1",
    kubectl_version="v1",
    nodes=(NODE,),
    cpu_limit_cores=0.8,
    memory_limit="2Gi",
)


def _with(service: Service) -> Experiment:
    experiment = make_experiment()
    return replace(experiment, stacks=(replace(experiment.stacks[0], service=service),))


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (CommandService(command=("serve",)), "a command cannot run on Kubernetes; give the stack an image"),
        (UrlService(url="http://127.0.0.1:80"), "would be the load generator's own pod"),
        (OurService(service="flask_gunicorn", settings={"auth": "api_key"}), "auth asks for SVC_API_KEY"),
    ],
)
def test_a_stack_that_cannot_run_there_is_refused(
    service: Service, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SVC_API_KEY", raising=False)
    with pytest.raises(UsageError, match=expected):
        reach(_with(service), Layout(root=tmp_path, runs=tmp_path))


def test_names_that_kubernetes_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    experiment = make_experiment()
    one, other = experiment.stacks
    alike = replace(experiment, stacks=(replace(one, name="a_b"), replace(other, name="a-b")))
    with pytest.raises(UsageError, match="alike as names of Kubernetes"):
        reach(alike, Layout(root=tmp_path, runs=tmp_path))


def test_cores_of_this_machine_are_no_nodes_to_keep_awake(tmp_path: Path) -> None:
    experiment = make_experiment()
    awake = replace(experiment, window=replace(experiment.window, keep_awake=True))
    with pytest.raises(UsageError, match=r"window.keep_awake: got true, but the nodes of a cluster .* --target local"):
        reach(awake, Layout(root=tmp_path, runs=tmp_path))


def test_a_lab_that_is_not_up_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"images.json: not there, so the lab is not up; run `make lab-up`"):
        lab_state(LabFolder(root=tmp_path), LabFolder(root=tmp_path).cluster({}), None)


@pytest.mark.parametrize(("asked", "workers"), [(None, 3), ("2", 2)])
def test_the_lab_says_how_many_workers_unless_asked(tmp_path: Path, asked: str | None, workers: int) -> None:
    (tmp_path / "images.json").write_text("{}")
    (tmp_path / "lab.json").write_text('{"workers": 3}')
    folder = LabFolder(root=tmp_path)
    assert lab_state(folder, folder.cluster({}), asked).workers == workers


@pytest.mark.parametrize("asked", ["0", "many", "-1"])
def test_a_number_of_workers_that_is_none_is_refused(tmp_path: Path, asked: str) -> None:
    (tmp_path / "images.json").write_text("{}")
    folder = LabFolder(root=tmp_path)
    with pytest.raises(ClusterError, match="expected a whole number of Locust workers"):
        lab_state(folder, folder.cluster({}), asked)


ELSEWHERE = {"LAB_KUBECONFIG": "/their/kubeconfig", "LAB_CONTEXT": "eks"}
BUILT: dict[str, Any] = {"image": "loadlab/flask", "tag": "c-1", "id": "sha256:1"}
PUSHED: dict[str, Any] = {**BUILT, "pushed": {"image": "host/team/loadlab/flask", "digest": "sha256:2"}}
FOREIGN = {"reference": "prom/prometheus:v3", "image": "prom/prometheus", "tag": "v3"}


@pytest.mark.parametrize(("environ", "image"), [({}, "loadlab/flask"), (ELSEWHERE, "host/team/loadlab/flask")])
def test_pods_of_another_cluster_pull_what_was_pushed_and_those_of_kind_have_what_was_loaded(
    tmp_path: Path, environ: dict[str, str], image: str
) -> None:
    folder = LabFolder(root=tmp_path)
    folder.images.write_bytes(orjson.dumps({"flask": PUSHED, "prometheus": FOREIGN}))
    found = lab_state(folder, folder.cluster(environ), None).images
    assert (found["flask"]["image"], found["flask"]["tag"]) == (image, "c-1")
    assert found["prometheus"] == FOREIGN


def test_an_image_that_another_cluster_cannot_pull_is_told_before_anything_is_made(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    folder.images.write_bytes(orjson.dumps({"flask": BUILT}))
    with pytest.raises(ClusterError, match=r"^image flask: its tag c-1 was not pushed .* run `make lab-up REGISTRY="):
        lab_state(folder, folder.cluster(ELSEWHERE), None)


def test_a_run_does_not_put_the_lab_of_one_cluster_back_in_another(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    folder.images.write_text("{}")
    folder.record.write_text('{"context": "kind-loadlab"}')
    with pytest.raises(UsageError, match="the lab of this checkout is on kind-loadlab, and eks is meant now"):
        lab_state(folder, folder.cluster(ELSEWHERE), None)


def test_a_run_whose_variables_were_forgotten_says_where_the_lab_is(lab: LabFolder, tmp_path: Path) -> None:
    """There is no kubeconfig of a kind cluster, and raising one is not what is wanted."""
    lab.kubeconfig.unlink()
    lab.images.write_text("{}")
    write_record(lab.record, LabRecord(target="cluster", context="eks"))
    with pytest.raises(UsageError, match=r"is on eks, and kind-loadlab is meant now: .*set LAB_KUBECONFIG and LAB_CON"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


def test_a_lab_without_credentials_is_not_up(lab: LabFolder, tmp_path: Path) -> None:
    lab.kubeconfig.unlink()
    lab.images.write_text("{}")
    with pytest.raises(ClusterError, match=r"kubeconfig: not there, so the lab is not up; run `make lab-up`"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


@pytest.mark.parametrize("given", ["LAB_KUBECONFIG", "LAB_CONTEXT"])
def test_a_cluster_that_is_half_named_is_refused(
    given: str, lab: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, str(lab.kubeconfig))
    with pytest.raises(UsageError, match=rf"^{given} is set and LAB_\w+ is not"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


def test_variables_that_are_empty_name_no_other_cluster(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    assert folder.cluster({"LAB_KUBECONFIG": "", "LAB_CONTEXT": ""}) == folder.cluster({})
    check_named({"LAB_KUBECONFIG": "", "LAB_CONTEXT": ""})
    with pytest.raises(UsageError, match="LAB_KUBECONFIG=/no/file: no such file; name the kubeconfig of a cluster"):
        check_named({"LAB_KUBECONFIG": "/no/file", "LAB_CONTEXT": "eks"})


def test_an_image_that_was_built_since_is_told_before_anything_is_made(lab: LabFolder, tmp_path: Path) -> None:
    lab.images.write_bytes(orjson.dumps({"flask": BUILT}))
    raised = LabRecord(target="kind", context="kind-loadlab", images={"flask": "sha256:0"})
    write_record(lab.record, raised)
    with pytest.raises(ClusterError, match=r"^image flask: loadlab/flask:c-1 was built and is not in the lab yet"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


def test_an_image_of_other_sources_than_the_checkouts_is_told_before_anything_is_made(
    lab: LabFolder, tmp_path: Path
) -> None:
    """A run on this machine takes the sources as they are; one on the cluster would measure what they were."""
    lab.images.write_bytes(orjson.dumps({"flask": {**BUILT, "sources_sha256": "of before"}}))
    write_record(lab.record, LabRecord(target="kind", context="kind-loadlab", images={"flask": "sha256:1"}))
    with pytest.raises(ClusterError, match=r"^image flask: its sources have changed since loadlab/flask:c-1 was built"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


def test_a_lab_that_another_run_has_is_told_before_a_bundle_is_made(lab: LabFolder, tmp_path: Path) -> None:
    lab.images.write_text("{}")
    with only_run(lab), pytest.raises(ClusterError, match="another run has the lab; wait for its end"):
        reach(make_experiment(), Layout(root=tmp_path, runs=tmp_path))


def test_a_locustfile_that_cannot_travel_is_told_before_a_bundle_is_made(lab: LabFolder, tmp_path: Path) -> None:
    experiment, gone = make_experiment(), tmp_path / "gone.py"
    scenario = replace(experiment.load.scenario, locustfile=gone)
    own = replace(experiment, load=replace(experiment.load, scenario=scenario))
    with pytest.raises(UsageError, match=r"gone.py: cannot be read: .*expected a locustfile"):
        reach(own, Layout(root=tmp_path, runs=tmp_path))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabFolder:
    """Of a checkout whose prices are the real ones; the environment names no cluster."""
    for name in ("LAB_KUBECONFIG", "LAB_CONTEXT", "LAB_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    folder = LabFolder(root=tmp_path / ".lab")
    folder.root.mkdir()
    folder.kubeconfig.write_text("")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "prices").symlink_to(checkout().prices)
    return folder


def test_a_replica_that_no_node_can_hold_is_refused() -> None:
    check_size(FACTS, 1.0)
    with pytest.raises(
        ClusterError, match=r"resources.cpu: got 4 \(3.2 cores here\), but the largest node for stacks has 2"
    ):
        check_size(replace(FACTS, cpu_limit_cores=3.2), 4.0)
    with pytest.raises(ClusterError, match=r"no node carries loadlab.dev/role=sut"):
        check_size(replace(FACTS, nodes=()), 1.0)


def _node(name: str, role: str, *, ready: str) -> Any:
    conditions = [{"type": "Ready", "status": ready, "reason": "NodeStatusUnknown", "message": "Kubelet is silent."}]
    return {
        "metadata": {"name": name, "labels": {"loadlab.dev/role": role}},
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(("role", "what"), [("sut", "stacks"), ("loadgen", "load")])
def test_a_role_whose_nodes_are_all_away_is_refused_with_what_the_node_says(role: str, what: str) -> None:
    other = _node("o", "loadgen" if role == "sut" else "sut", ready="True")
    check_ready([other, _node("a", role, ready="True"), _node("b", role, ready="Unknown")])
    with pytest.raises(
        ClusterError,
        match=rf"node b: not ready \(NodeStatusUnknown: Kubelet is silent.\), .* for {what}; `make lab-up`",
    ):
        check_ready([other, _node("a", role, ready="False"), _node("b", role, ready="Unknown")])


def _pod(
    cpu: str, memory: str = "65536", *, namespace: str = "kube-system", phase: str = "Running", **labels: str
) -> Any:
    return {
        "metadata": {"namespace": namespace, "labels": {f"app.kubernetes.io/{k}": v for k, v in labels.items()}},
        "spec": {"containers": [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}, {}]},
        "status": {"phase": phase},
    }


def _on_node(*pods: Any) -> Callable[[str], Any]:
    def get(path: str) -> Any:
        assert path == "/api/v1/pods?fieldSelector=spec.nodeName%3Da"
        return {"items": list(pods)}

    return get


STANDING = _pod("800m", namespace="loadlab", component="sut")


def test_replicas_that_do_not_go_in_together_are_refused_before_anything_is_made() -> None:
    """Both stacks are up at once: a second replica of each needs four times 0.8 of the node's 2 cores."""
    get = _on_node(_pod("100m"), STANDING, STANDING, _pod("2", phase="Succeeded"))
    facts = replace(FACTS, memory_limit="512Mi")
    check_room(get, facts, {"flask": 1, "fastapi": 1})
    expected = (
        r"replicas: got 4 \(flask 2, fastapi 2\), all up at once, of 0.8 cores and 512Mi each, but the nodes for "
        r"stacks have room for 2 \(a: 1.9 of 2 cores and 4.00 GiB free\); lower replicas or resources"
    )
    with pytest.raises(ClusterError, match=expected):
        check_room(get, facts, {"flask": 2, "fastapi": 2})


def _with_spec(**more: Any) -> Any:
    pod = _pod("100m")
    return {**pod, "spec": {**pod["spec"], **more}}


SIDECAR = {"restartPolicy": "Always", "resources": {"requests": {"cpu": "400m"}}}


@pytest.mark.parametrize(
    "other",
    [
        _pod("0.5"),
        _pod("100m", "1100Mi"),
        _pod("100m", "1181116006400m"),
        _pod("100m", "1.2e9"),
        _pod("500000000n"),
        _with_spec(initContainers=[SIDECAR]),
        _with_spec(overhead={"cpu": "400m"}),
    ],
)
def test_room_that_other_pods_take_and_memory_count_too(other: Any) -> None:
    facts = replace(FACTS, memory_limit="1.5Gi")
    with pytest.raises(ClusterError, match="have room for 1"):
        check_room(_on_node(other), facts, {"flask": 1, "fastapi": 1})


@pytest.mark.parametrize(
    "other",
    [
        _pod("1.9", "much"),
        _pod("many", "3Gi"),
        _with_spec(initContainers=[{"resources": {"requests": {"cpu": "1900m"}}}]),
    ],
)
def test_what_cannot_be_read_or_is_over_before_the_pod_runs_takes_no_room(other: Any) -> None:
    check_room(_on_node(other), replace(FACTS, memory_limit="1.5Gi"), {"flask": 1, "fastapi": 1})


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("2", 2),
        ("100m", 0.1),
        ("1181116006400m", 1181116006.4),
        ("1Pi", 2**50),
        ("1e9", 1e9),
        ("3E", 3e18),
        ("5k", 5e3),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity: str, amount: float) -> None:
    assert amount_of(quantity) == pytest.approx(amount, rel=1e-12)


@pytest.mark.parametrize("quantity", ["", "m", "1 Gi", "1mi", "1ki", "2e0G", "nan", "inf"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no quantity of Kubernetes"):
        amount_of(quantity)


def test_a_run_of_addresses_alone_needs_no_room() -> None:
    check_room(_on_node(_pod("2")), FACTS, {})


def test_a_locustfile_that_is_too_large_for_a_config_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.py"
    path.write_text("#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="at most 1048576; move its data out of it"):
        read_locustfile(path)


@pytest.mark.parametrize("name", ["my users.py", "gr\u00f6\u00dfe.py", "a,b.py"])
def test_a_locustfile_whose_name_is_no_key_of_a_config_map_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="travels by its name, which has letters, digits"):
        read_locustfile(tmp_path / name)


def test_a_url_opens_its_own_port_and_no_other() -> None:
    (rule,) = url_policy("own_app", "https://api.example.org/base")["spec"]["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_the_environment_of_an_own_image_goes_into_the_secret() -> None:
    own = _with(ImageService(image="me/app:1", port=80, env={"TOKEN": "s3cret"}))
    assert list(values_of_secrets(own).values()) == ["s3cret"]


def test_isolation_is_a_quota_with_the_nodes_that_share_a_machine() -> None:
    found = isolation_of(FACTS)
    assert (found.level, found.cores) == ("quota", 0.8)
    assert "a (sut); all nodes share one machine" in found.detail


def test_a_cluster_is_another_machine_than_the_one_it_runs_on() -> None:
    local = make_provenance()
    kind, other = on_cluster(local, FACTS), on_cluster(local, replace(FACTS, kind="cluster"))
    assert len({local.machine_id, kind.machine_id, other.machine_id}) == 3
    assert on_cluster(local, replace(FACTS, uid="new")).machine_id == kind.machine_id


def test_replicas_are_for_the_cluster_alone() -> None:
    experiment = make_experiment()
    several = replace(experiment, stacks=(replace(experiment.stacks[0], replicas=2),))
    with pytest.raises(UsageError, match="replicas: got 2, but the local target runs one; use --target kubernetes"):
        cores_for(several)


def test_two_runs_never_share_the_lab(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    with (
        only_run(folder),
        pytest.raises(ClusterError, match="another run has the lab; wait for its end"),
        only_run(folder),
    ):
        pass
    with only_run(folder):
        pass


def test_a_run_says_who_is_at_work_on_the_lab_and_leaves_its_name(tmp_path: Path) -> None:
    folder = LabFolder(root=tmp_path)
    with held(tmp_path / "run.lock"):
        for _ in range(2):
            with (
                pytest.raises(ClusterError, match=r"process \d+, which raises the lab or takes it down, has the lab"),
                only_run(folder),
            ):
                pass
    with only_run(folder):
        assert (tmp_path / "run.lock").read_text() == "", "the next one is told of a run"
