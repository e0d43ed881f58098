"""The verbs of the lab over programs that a test answers for: whose cluster, what is in the way, what is taken away."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fake_programs import FakeProgram
from loadlab.errors import ClusterError, ImageError, UsageError
from loadlab.execute.cluster.lab import check_own
from loadlab.execute.cluster.namespace import ForeignNamespaceError, whose_namespace
from loadlab.execute.cluster.state import LabFolder
from loadlab.execute.doctor import Check
from loadlab.execute.lab.archives import Archives
from loadlab.execute.lab.engine import EngineInfo
from loadlab.execute.lab.file_lock import held
from loadlab.execute.lab.record import LabRecord, read_record, write_record
from loadlab.execute.lab.toolbox import Toolbox
from loadlab.pipeline.lab_cluster import (
    begin_archives,
    bring_up,
    examine,
    load_images,
    loadable,
    refuse_failed,
    wait_for_nodes,
)
from loadlab.pipeline.lab_down import lab_down
from loadlab.pipeline.lab_logs import lab_logs
from loadlab.pipeline.lab_site import Site, open_site
from loadlab.pipeline.lab_stages import Stages
from loadlab.pipeline.lab_status import lab_status
from loadlab.pipeline.lab_up import _prepare_cluster, lab_up
from loadlab.pipeline.layout import checkout
from simulated import FakeClock

INFO = EngineInfo(version="28", cgroup_version="2", root=Path("/"))
NAMES = ("loadlab-control-plane", "loadlab-worker", "loadlab-worker2")


class Machine:
    """docker, kind and kubectl of one machine, and the lab of one checkout on it."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        programs = folder / "bin"
        self.clock = clock
        self.docker = FakeProgram(programs, "docker").says("network inspect kind", "", code=1)
        self.docker.says("image inspect*", "sha256:node")
        self.kind = FakeProgram(programs, "kind").says("version", "kind v0.33.0").says("delete*", "")
        self.kubectl = FakeProgram(programs, "kubectl").says("version --client", "v1.36.3")
        self.said: list[str] = []
        environ = {"PATH": str(programs)}
        self.site = Site(
            layout=checkout(),
            lab=LabFolder(root=folder / ".lab"),
            environ=environ,
            say=self.said.append,
            clock=clock,
            toolbox=Toolbox(checkout().root, environ=environ, say=self.said.append),
        )
        self.site.lab.root.mkdir()
        self.containers(())

    def containers(self, names: tuple[str, ...], *, running: bool = True, prefix: str = "id") -> None:
        """What docker tells of the cluster's containers; made now."""
        found = [
            {
                "Id": f"{prefix}-{name}",
                "Name": f"/{name}",
                "Created": f"{_timestamp(self.clock.unix_s())}.1Z",
                "State": {"Running": running},
                "Image": "sha256:node",
                "Config": {"Labels": {"io.x-k8s.kind.role": "worker"}},
            }
            for name in names
        ]
        self.docker.says("ps*", "\n".join(str(one["Id"]) for one in found))
        self.docker.says("inspect*", orjson.dumps(found).decode())

    def nodes(self, *, ready: bool = True) -> None:
        """What kubectl tells of them."""
        condition = {"type": "Ready", "status": str(ready), "reason": "KubeletNotReady", "message": "no network"}
        roles = dict(zip(NAMES, ("", "sut", "loadgen"), strict=True))
        items = [
            {
                "metadata": {"name": name, "labels": {"loadlab.dev/role": role}},
                "status": {"conditions": [condition], "nodeInfo": {"kubeletVersion": "v1.36.1"}},
            }
            for name, role in roles.items()
        ]
        self.kubectl.says("*get nodes*", orjson.dumps({"items": items}).decode())

    def record(self, **changes: Any) -> LabRecord:
        """Recorded as made a moment ago."""
        made = LabRecord(
            target="kind",
            context="kind-loadlab",
            began_unix_s=self.clock.unix_s() - 1.0,
            nodes={name: f"id-{name}" for name in NAMES},
        ).but(**changes)
        write_record(self.site.lab.record, made)
        return made

    def bring_up(self, record: LabRecord | None) -> tuple[LabRecord, list[str]]:
        notes: list[str] = []
        return bring_up(self.site, self.site.docker(), INFO, record, notes.append), notes


def _timestamp(unix_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, FakeClock())


def called(program: FakeProgram, beginning: str) -> bool:
    return any(words.startswith(beginning) for words in program.asked)


def test_a_cluster_that_is_ours_and_runs_is_left_as_it_is(machine: Machine) -> None:
    machine.containers(NAMES)
    machine.site.lab.kubeconfig.write_text("")
    record = machine.record()
    assert machine.bring_up(record) == (record, ["there, 3 nodes"])
    assert not called(machine.kind, "create")
    assert not called(machine.kind, "delete")


def test_nodes_that_stand_still_are_started(machine: Machine) -> None:
    machine.containers(NAMES, running=False)
    machine.docker.says("start*", "")
    machine.kind.says("export kubeconfig*", "")
    assert machine.bring_up(machine.record())[1] == ["3 nodes started again"]
    assert called(machine.docker, "start id-loadlab-control-plane")
    assert called(machine.kind, "export kubeconfig"), "the credentials were gone"


def test_a_making_that_was_cut_off_is_removed_and_made_again(machine: Machine) -> None:
    machine.kind.says("create*", "ERROR: interrupted", code=1, to="err")
    with pytest.raises(ClusterError, match="kind create cluster: interrupted"):
        machine.bring_up(None)
    begun = read_record(machine.site.lab.record)
    assert begun is not None
    assert begun.nodes == {}
    machine.containers(NAMES[:1])
    machine.kind.says("create*", "")
    made, notes = machine.bring_up(begun)
    assert made.images == {"node": "sha256:node"}
    assert notes[0] == "what was half made is removed"
    assert [words.split()[0] for words in machine.kind.asked if words != "version"] == ["create", "delete", "create"]
    assert set(made.nodes) == {NAMES[0]}


def test_a_half_made_cluster_does_not_stand_in_its_own_way(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.containers(NAMES[:1])
    monkeypatch.setattr("loadlab.execute.lab.listeners.is_free", lambda _: False)
    engine = machine.site.docker()
    machine.docker.says("ps --filter publish*", NAMES[0])
    ports = [one for one in examine(engine, INFO, engine.nodes("loadlab"), is_up=False) if one.name.startswith("port")]
    assert {one.status for one in ports} == {"ok"}
    machine.docker.says("ps --filter publish*", "stranger")
    ports = [one for one in examine(engine, INFO, engine.nodes("loadlab"), is_up=False) if one.name.startswith("port")]
    assert {one.got for one in ports} == {"container stranger"}


def test_a_node_image_that_is_not_here_is_fetched_and_one_that_cannot_be_is_one_line(machine: Machine) -> None:
    machine.docker.says("image inspect*", "", code=1).says("pull*", "no such host", code=1, to="err")
    with pytest.raises(ClusterError, match=r"^image kindest/node:\S+: not here .* no such host; set KIND_NODE_IMAGE"):
        machine.bring_up(None)
    assert not called(machine.kind, "create")
    machine.docker.says("pull*", "")
    machine.kind.says("create*", "")
    machine.bring_up(None)
    assert called(machine.kind, "create cluster")
    assert any(line.startswith("  pulling kindest/node:") and "sha256" not in line for line in machine.said)


def test_hosts_with_cgroup_v1_get_what_their_kubelet_needs(machine: Machine) -> None:
    config = machine.site.lab.root / "config"
    machine.kind.answer("create*", f'cat >"{config}"')
    machine.bring_up(None)
    assert "failCgroupV1" not in config.read_text()
    old = EngineInfo(version="20", cgroup_version="1", root=Path("/"))
    bring_up(machine.site, machine.site.docker(), old, None, lambda _: None)
    assert "failCgroupV1: false" in config.read_text()


def test_a_cluster_of_that_name_that_somebody_else_made_is_refused_and_left(machine: Machine) -> None:
    machine.containers(NAMES, prefix="other")
    machine.docker.says("info*", '{"ServerVersion": "28"}')
    for verb in (lab_up, lab_down):
        with pytest.raises(ClusterError, match="this checkout has not made it; it is left as it is"):
            verb(machine.site)
    assert not called(machine.kind, "delete")
    assert not called(machine.kind, "create")


def test_a_node_that_does_not_get_ready_says_why(machine: Machine) -> None:
    machine.nodes(ready=False)
    with pytest.raises(ClusterError, match=r"node loadlab-control-plane: not ready after 120 s: Kubelet"):
        wait_for_nodes(machine.site, machine.site.kubectl())


def test_a_strangers_node_of_a_cluster_that_exists_holds_nothing_up(machine: Machine) -> None:
    machine.nodes()
    said = machine.site.kubectl().json("get", "nodes", namespace=None)
    away = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "gone"}
    said["items"].append({"metadata": {"name": "theirs", "labels": {}}, "status": {"conditions": [away]}})
    machine.kubectl.says("*get nodes*", orjson.dumps(said).decode())
    elsewhere = {**machine.site.environ, "LAB_KUBECONFIG": "k", "LAB_CONTEXT": "eks"}
    wait_for_nodes(replace(machine.site, environ=elsewhere), machine.site.kubectl())
    with pytest.raises(ClusterError, match="node theirs: not ready after 120 s"):
        wait_for_nodes(machine.site, machine.site.kubectl())


def test_an_api_server_that_does_not_come_says_so(machine: Machine) -> None:
    machine.kubectl.says("*get nodes*", "connection refused", code=1, to="err")
    with pytest.raises(ClusterError, match=r"API server: not ready after 120 s: kubectl get nodes.*connection refused"):
        wait_for_nodes(machine.site, machine.site.kubectl())


ROLES = dict(zip(NAMES, ("", "sut", "loadgen"), strict=True))
REFERENCES = {"flask": "loadlab/flask:c-1", "locust": "loadlab/locust:c-1"}


def load(machine: Machine, record: LabRecord, references: dict[str, str]) -> LabRecord:
    engine = machine.site.docker()
    with Archives(engine, machine.site.lab.root / "archives") as archives:
        return load_images(machine.site, engine, record, ROLES, references, archives, lambda _: None)


def with_images(machine: Machine) -> Path:
    """An engine that has every image and nodes that have none; where the nodes put what they get."""
    arrived = machine.site.lab.root / "arrived"
    machine.docker.answer("image inspect*", 'echo "sha256:${@: -1}"').says("exec*images ls", "REF TYPE DIGEST")
    machine.docker.answer("save*", 'echo "archive of ${@:4}" >"$3"')
    machine.docker.says("exec*config dump", "[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'native'")
    machine.docker.answer("exec --interactive*", f'cat >>"{arrived}.$3"')
    return arrived


def test_each_node_gets_what_its_pods_need_and_only_once(machine: Machine) -> None:
    arrived = with_images(machine)
    record = load(machine, machine.record(images={"node": "sha256:node"}), REFERENCES)
    assert Path(f"{arrived}.loadlab-worker").read_text() == "archive of loadlab/flask:c-1\n"
    assert Path(f"{arrived}.loadlab-worker2").read_text() == "archive of loadlab/locust:c-1\n"
    assert any(words.endswith("import --digests --snapshotter=native -") for words in machine.docker.asked)
    assert not (machine.site.lab.root / "archives").exists()
    assert record.images == {
        "node": "sha256:node",
        "flask": "sha256:loadlab/flask:c-1",
        "locust": "sha256:loadlab/locust:c-1",
    }
    there = "REF TYPE DIGEST\ndocker.io/loadlab/flask:c-1 t d\ndocker.io/loadlab/locust:c-1 t d"
    machine.docker.says("exec*images ls", there)
    load(machine, record, REFERENCES)
    assert sum(words.startswith("save") for words in machine.docker.asked) == 2


def test_archives_that_began_while_the_cluster_was_made_are_the_ones_that_nodes_get(machine: Machine) -> None:
    arrived = with_images(machine)
    engine, folder = machine.site.docker(), machine.site.lab.root / "archives"
    record = machine.record()
    with Archives(engine, folder) as archives:
        begin_archives(archives, REFERENCES)
        load_images(machine.site, engine, record, ROLES, REFERENCES, archives, lambda _: None)
    assert Path(f"{arrived}.loadlab-worker").exists()
    assert sum(words.startswith("save") for words in machine.docker.asked) == 2


def test_archives_of_a_call_that_was_killed_are_removed_by_the_next(machine: Machine) -> None:
    folder = machine.site.lab.root / "archives"
    folder.mkdir()
    (folder / "0.tar").write_text("half")
    with Archives(machine.site.docker(), folder):
        assert not folder.exists()


def test_an_archive_that_cannot_be_written_is_one_line_with_the_next_step(machine: Machine) -> None:
    with_images(machine)
    machine.docker.says("save*", "write: no space left on device", code=1, to="err")
    with pytest.raises(ClusterError, match=r"^docker save loadlab/flask:c-1: write: no space left .*disk has room"):
        load(machine, machine.record(), REFERENCES)


def test_an_image_that_a_node_does_not_take_is_one_line_with_the_next_step(machine: Machine) -> None:
    with_images(machine)
    machine.docker.says("exec --interactive loadlab-worker2*", "ctr: content digest: not found", code=1, to="err")
    with pytest.raises(ClusterError, match=r"^node loadlab-worker2: does not take loadlab/locust:c-1: ctr: .*lab-up"):
        load(machine, machine.record(), REFERENCES)


def test_a_node_that_does_not_tell_how_it_unpacks_gets_nothing(machine: Machine) -> None:
    with_images(machine)
    machine.docker.says("exec*config dump", "version = 3")
    with pytest.raises(ClusterError, match="node loadlab-worker: does not tell how it unpacks images"):
        load(machine, machine.record(), REFERENCES)


def test_an_image_that_the_engine_lacks_is_named(machine: Machine) -> None:
    machine.docker.says("image inspect*", "", code=1)
    with pytest.raises(ClusterError, match=r"image flask \(loadlab/flask:c-1\): not in the engine; run `make images`"):
        load(machine, machine.record(), {"flask": "loadlab/flask:c-1"})


def test_an_image_named_by_its_digest_gets_a_tag_that_an_archive_can_carry(machine: Machine) -> None:
    machine.docker.says("tag*", "")
    engine, digest = machine.site.docker(), "sha256:" + "0123456789ab" + "c" * 52
    entry = {"reference": f"prom/prometheus:v3@{digest}", "image": "prom/prometheus", "tag": "v3", "digest": digest}
    name = "prom/prometheus:d-0123456789ab"
    assert loadable(engine, entry) == {"reference": name, "image": "prom/prometheus", "tag": "d-0123456789ab"}
    assert [words for words in machine.docker.asked if words.startswith("tag")] == [f"tag {entry['reference']} {name}"]
    by_tag = {"reference": "prom/prometheus:v3", "image": "prom/prometheus", "tag": "v3"}
    assert loadable(engine, by_tag) == by_tag


def test_the_first_failed_check_is_the_message_and_all_others_are_named() -> None:
    def check(name: str, status: Any) -> Check:
        return Check(name=name, status=status, got="nginx (pid 7)", expected="free", next_step="end it")

    told: list[str] = []
    with pytest.raises(ClusterError, match=r"^port 1: got nginx \(pid 7\), expected free; end it \(also: port 2"):
        refuse_failed([check("disk", "warn"), check("port 1", "fail"), check("port 2", "fail")], told.append)
    assert told == ["disk: nginx (pid 7), better free: end it"]


def test_lab_down_takes_what_it_made_and_keeps_the_images(machine: Machine) -> None:
    machine.containers(NAMES)
    machine.docker.says("network inspect*", "0").says("network rm*", "")
    machine.docker.answer("ps --all --quiet --filter network=kind", "")
    machine.record(network_made=True)
    for name in ("kubeconfig", "images.json"):
        (machine.site.lab.root / name).write_text("{}")
    lab_down(machine.site)
    assert called(machine.kind, "delete cluster --name loadlab")
    assert called(machine.docker, "network rm kind")
    assert {path.name for path in machine.site.lab.root.iterdir()} == {"images.json", "lock", "run.lock"}


def test_lab_down_leaves_what_local_runs_and_their_boards_keep_beside_it(machine: Machine) -> None:
    (machine.site.lab.root / "dashboards" / "tsdb").mkdir(parents=True)
    (machine.site.lab.root / "targets.json").write_text("[]")
    (machine.site.lab.root / "overlay").mkdir()
    lab_down(machine.site, with_images=True)
    assert (machine.site.lab.root / "dashboards" / "tsdb").is_dir()
    assert (machine.site.lab.root / "targets.json").exists()
    assert not (machine.site.lab.root / "overlay").exists()


def test_a_network_that_was_there_before_stays(machine: Machine) -> None:
    machine.containers(NAMES)
    machine.record(network_made=False)
    lab_down(machine.site)
    assert not called(machine.docker, "network")


def test_lab_down_of_nothing_is_fine_twice(machine: Machine) -> None:
    lab_down(machine.site)
    lab_down(machine.site)
    assert not called(machine.kind, "delete")


def test_lab_down_with_images_removes_those_that_were_built(machine: Machine) -> None:
    pushed = {"image": "host/loadlab/flask", "digest": "sha256:d"}
    flask = {"image": "loadlab/flask", "tag": "c-2", "pushed": pushed, "replaced": ["loadlab/flask:c-1"]}
    prometheus = {"reference": "prom/prometheus:v3", "image": "prom/prometheus", "tag": "v3"}
    machine.site.lab.images.write_bytes(orjson.dumps({"flask": flask, "prometheus": prometheus}))
    machine.docker.says("version*", "28").says("image rm*", "").says("image inspect*", "", code=1)
    machine.docker.says("image rm loadlab/flask:c-1", "no such image", code=1, to="err")
    lab_down(machine.site, with_images=True)
    assert [words for words in machine.docker.asked if words.startswith("image rm")] == [
        *("image rm loadlab/flask:c-2", "image rm host/loadlab/flask:c-2", "image rm loadlab/flask:c-1")
    ]
    assert any("2 removed" in line for line in machine.said)
    assert not machine.site.lab.images.exists()


def test_an_image_that_is_in_use_stays_and_is_not_forgotten(machine: Machine) -> None:
    machine.site.lab.images.write_bytes(orjson.dumps({"flask": {"image": "loadlab/flask", "tag": "c-1"}}))
    found = {"Id": "sha256:1", "Size": 1}
    machine.docker.says("version*", "28").says("image rm*", "conflict: container abc uses it", code=1, to="err")
    machine.docker.says("image inspect*", orjson.dumps([found]).decode())
    lab_down(machine.site, with_images=True)
    assert any("0 removed, loadlab/flask:c-1 is in use" in line for line in machine.said)
    assert machine.site.lab.images.exists()


def test_images_that_nothing_here_can_remove_are_told_before_anything_is_gone(machine: Machine) -> None:
    machine.containers(NAMES)
    machine.record()
    machine.site.lab.images.write_bytes(orjson.dumps({"flask": {"image": "loadlab/flask", "tag": "c-1"}}))
    machine.docker.says("version*", "Cannot connect to the Docker daemon", code=1, to="err")
    with pytest.raises(ImageError, match="the engine does not answer: Cannot connect"):
        lab_down(machine.site, with_images=True)
    assert not called(machine.kind, "delete")
    assert machine.site.lab.record.exists()


def test_while_a_run_has_the_lab_nobody_else_gets_it(machine: Machine) -> None:
    with held(machine.site.lab.root / "run.lock"):
        (machine.site.lab.root / "run.lock").write_text("")
        for verb in (lab_up, lab_down):
            with pytest.raises(UsageError, match=r"^a run is at work on the lab; wait until it has ended"):
                verb(machine.site)


def test_a_folder_that_is_somebody_elses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(
            UsageError, match=r"lock: cannot be written: File exists; see that .*nothing of the lab needs sudo"
        ),
        held(tmp_path / "file" / "lock"),
    ):
        pass


def test_logs_are_collected_where_no_kubectl_is_to_be_had(machine: Machine, tmp_path: Path) -> None:
    machine.site.lab.kubeconfig.write_text("")
    machine.kubectl.path.unlink()
    machine.docker.says("info*", "docker's word").says("ps --all", "")
    bare = replace(machine.site, toolbox=NoTools(checkout().root, environ={}, say=lambda _: None))
    lab_logs(bare, tmp_path / "logs.tar.gz")
    with tarfile.open(tmp_path / "logs.tar.gz") as tar:
        told = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        texts = {name: file.read().decode() for name, file in told.items() if file is not None}
    assert "docker's word" in texts["lab-logs/docker.txt"]
    assert texts["lab-logs/cluster/kubectl.txt"] == "kubectl: not to be had\n"


class NoTools(Toolbox):
    """A machine that has no tool and cannot bring one."""

    def ensure(self, name: str) -> Path:
        raise ClusterError(f"{name}: not to be had")


def test_kind_gets_its_images_from_docker_whatever_builds_for_others(machine: Machine) -> None:
    podman = {**machine.site.environ, "LAB_CONTAINER_TOOL": "podman"}
    assert replace(machine.site, environ=podman).for_images["LAB_CONTAINER_TOOL"] == "docker"
    elsewhere = {**podman, "LAB_KUBECONFIG": "k", "LAB_CONTEXT": "c"}
    assert replace(machine.site, environ=elsewhere).for_images["LAB_CONTAINER_TOOL"] == "podman"


def test_a_cluster_that_exists_takes_the_mirrors_that_are_named_now(machine: Machine) -> None:
    machine.nodes()
    machine.kubectl.says("*get namespaces*", "")
    versions = {"clientVersion": {"gitVersion": "v1.36.3"}, "serverVersion": {"gitVersion": "v1.36.1"}}
    machine.kubectl.says("*version -o json*", orjson.dumps(versions).decode())
    machine.site.lab.images.write_bytes(orjson.dumps({"prometheus": {"reference": "prom/prometheus:v1"}}))
    environ = {
        **machine.site.environ,
        "LAB_KUBECONFIG": "k",
        "LAB_CONTEXT": "eks",
        "LAB_PROMETHEUS_IMAGE": "m:5000/p:v3",
    }
    site = replace(machine.site, environ=environ)
    ready = _prepare_cluster(site, Stages(machine.clock, machine.said.append), None, None)
    assert (ready.images["prometheus"]["image"], ready.images["prometheus"]["tag"]) == ("m:5000/p", "v3")


def test_a_number_of_workers_that_is_none_is_refused(machine: Machine) -> None:
    with pytest.raises(UsageError, match=r"--workers 0: expected a whole number from 1"):
        lab_up(machine.site, workers=0)


def test_a_namespace_that_is_not_the_labs_is_refused(machine: Machine) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    foreign = {"items": [{"kind": "Namespace", "metadata": {"labels": labels}}]}
    machine.kubectl.says("*get namespaces*", orjson.dumps(foreign).decode())
    expected = r"was not made by the lab \(managed-by is Helm, expected loadlab\)"
    with pytest.raises(ForeignNamespaceError, match=expected):
        whose_namespace(machine.site.kubectl(), machine.site.checkout)
    with pytest.raises(ForeignNamespaceError, match=expected):
        check_own(machine.site.kubectl(), machine.site.checkout)


def test_a_namespace_that_is_not_there_or_does_not_answer_is_told_with_the_next_step(machine: Machine) -> None:
    machine.kubectl.says("*get namespaces*", "")
    with pytest.raises(ClusterError, match=r"kind-loadlab: it has no namespace loadlab: the lab is not up; run `make"):
        check_own(machine.site.kubectl(), machine.site.checkout)
    machine.kubectl.says("*get namespaces*", 'error: context "x" does not exist', code=1, to="err")
    with pytest.raises(ClusterError, match='context "x" does not exist; run `make lab-up`, or set LAB_KUBECONFIG'):
        check_own(machine.site.kubectl(), machine.site.checkout)


@pytest.mark.parametrize("given", ["LAB_KUBECONFIG", "LAB_CONTEXT"])
def test_another_cluster_is_used_only_when_both_variables_name_it(given: str) -> None:
    with pytest.raises(UsageError, match=rf"^{given} is set and LAB_\w+ is not"):
        open_site(checkout(), environ={given: "x"}, say=lambda _: None)


def test_the_lab_does_not_move_to_another_cluster_by_itself(machine: Machine) -> None:
    machine.record(target="cluster", context="production")
    told = "the lab of this checkout is on production, and kind-loadlab is meant now; set LAB_KUBECONFIG and LAB_"
    with pytest.raises(UsageError, match=rf"^{told}CONTEXT for it, or take it down first \(`make lab-down`\)"):
        lab_up(machine.site)


def test_variables_that_were_forgotten_or_left_set_are_what_status_and_logs_tell(
    machine: Machine, tmp_path: Path
) -> None:
    """And neither looks at a cluster on which this checkout has raised nothing."""
    machine.site.lab.kubeconfig.write_text("")
    machine.docker.says("info*", "docker's word").says("ps --all", "")
    machine.record(target="cluster", context="eks", is_up=True)
    forgotten = lab_status(machine.site)
    assert forgotten["is_well"] is False
    assert forgotten["problems"] == [
        "the lab of this checkout is on eks, and kind-loadlab is meant now; set LAB_KUBECONFIG and LAB_CONTEXT for it"
    ]
    lab_logs(machine.site, tmp_path / "logs.tar.gz")
    assert f"cluster: {forgotten['problems'][0]}" in machine.said
    machine.record(is_up=True)
    left = replace(machine.site, environ={**machine.site.environ, "LAB_KUBECONFIG": "k", "LAB_CONTEXT": "eks"})
    assert lab_status(left)["problems"] == [
        "the lab of this checkout is on kind-loadlab, and eks is meant now; unset LAB_KUBECONFIG and LAB_CONTEXT"
    ]
    assert [words for words in machine.kubectl.asked if not words.startswith("version")] == []


def test_status_without_a_lab_says_how_to_raise_one(machine: Machine) -> None:
    found = lab_status(machine.site)
    assert found["is_well"] is False
    assert found["problems"] == ["no lab is up in this checkout; `make lab-up` raises it"]


def test_status_of_a_lab_whose_engine_sleeps_is_a_problem_and_no_traceback(machine: Machine) -> None:
    machine.record(is_up=True)
    machine.docker.says("info*", "Cannot connect to the Docker daemon", code=1, to="err")
    found = lab_status(machine.site)
    assert found["is_well"] is False
    assert "systemctl start docker" in found["problems"][0]


def test_status_tells_versions_and_what_became_another_one_since_the_lab_was_raised(machine: Machine) -> None:
    machine.containers(NAMES)
    machine.nodes()
    machine.docker.says("info*", '{"ServerVersion": "28"}').says("image inspect*", "sha256:newer")
    versions = {"clientVersion": {"gitVersion": "v1.36.3"}, "serverVersion": {"gitVersion": "v1.36.1"}}
    machine.kubectl.says("*version -o json", orjson.dumps(versions).decode())
    machine.site.lab.images.write_bytes(
        orjson.dumps(
            {"flask": {"image": "loadlab/flask", "tag": "c-2", "id": "sha256:2"}, "grafana": {"reference": "g"}}
        )
    )
    machine.record(is_up=True, versions={"docker": "27", "kubernetes": "1.36.1"}, images={"flask": "sha256:1"})
    found = lab_status(machine.site)
    assert found["versions"] | {"node_image": ""} == {
        "docker": "28",
        "kind": "0.33.0",
        "node_image": "",
        "kubectl": "1.36.3",
        "kubernetes": "1.36.1",
    }
    assert found["changes"] == ["docker is 28, the lab was raised with 27"]
    assert found["image_ids"] == {"flask": "sha256:1"}
    assert "image flask: loadlab/flask:c-2 was built and is not in the lab yet; `make lab-up`" in found["problems"]
    assert any("the nodes were made of another image than" in problem for problem in found["problems"])


def test_status_tells_an_image_whose_sources_have_changed_since(machine: Machine) -> None:
    machine.record(is_up=True)
    built = {"image": "loadlab/flask", "tag": "c-1", "id": "sha256:1", "sources_sha256": "of before"}
    machine.site.lab.images.write_bytes(orjson.dumps({"flask": built}))
    problems = lab_status(machine.site)["problems"]
    assert "image flask: its sources have changed since loadlab/flask:c-1 was built; `make lab-up`" in problems
