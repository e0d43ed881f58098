"""Docker as the lab needs it: absent, asleep or forbidden is one line with the next step."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from fake_programs import FakeProgram
from loadlab.errors import EXIT_INVALID, ClusterError
from loadlab.execute.lab.engine import DockerEngine, find_docker


@pytest.fixture
def docker(tmp_path: Path) -> FakeProgram:
    return FakeProgram(tmp_path / "bin", "docker")


def test_no_docker_is_one_line_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"docker: not on PATH; .*install Docker Engine .*LAB_KUBECONFIG") as told:
        find_docker({"PATH": str(tmp_path)})
    assert told.value.exit_code == EXIT_INVALID


def test_an_engine_that_does_not_run_says_how_to_start_it(docker: FakeProgram) -> None:
    complaint = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    docker.says("info*", orjson.dumps({"ServerErrors": [complaint]}).decode(), code=1)
    with pytest.raises(ClusterError, match=r"does not answer: Cannot connect .*systemctl start docker") as told:
        DockerEngine(docker.path).info()
    assert "\n" not in str(told.value)


def test_an_engine_that_this_user_may_not_use_says_how_to_get_in(docker: FakeProgram) -> None:
    docker.says("info*", "permission denied while trying to connect", code=1, to="err")
    with pytest.raises(ClusterError, match=r"permission denied .*usermod -aG docker"):
        DockerEngine(docker.path).info()


def test_what_the_engine_says_of_itself_is_read(docker: FakeProgram) -> None:
    docker.says("info*", '{"ServerVersion": "28.1", "CgroupVersion": "2", "DockerRootDir": "/data"}')
    info = DockerEngine(docker.path).info()
    assert (info.version, info.cgroup_version, info.root) == ("28.1", "2", Path("/data"))


def test_nodes_are_read_with_the_time_of_their_making(docker: FakeProgram) -> None:
    container = {
        "Id": "abc",
        "Name": "/loadlab-worker",
        "Created": "2026-11-25T23:10:12.123456789Z",
        "State": {"Running": False},
        "Image": "sha256:1",
        "Config": {"Labels": {"io.x-k8s.kind.role": "worker"}},
    }
    docker.says("ps*", "abc").says("inspect*", orjson.dumps([container]).decode())
    (node,) = DockerEngine(docker.path).nodes("loadlab")
    assert (node.id, node.name, node.role, node.is_running) == ("abc", "loadlab-worker", "worker", False)
    assert node.image_id == "sha256:1"
    assert node.created_unix_s == 1795648212.0
    assert "label=io.x-k8s.kind.cluster=loadlab" in docker.asked[0]


def test_a_network_that_somebody_is_on_stays(docker: FakeProgram) -> None:
    docker.says("network inspect*", "0").says("ps*", "another").says("network rm*", "kind")
    assert DockerEngine(docker.path).remove_network_if_empty() is False
    docker.says("ps*", "")
    assert DockerEngine(docker.path).remove_network_if_empty() is True
