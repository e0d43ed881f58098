"""docker and podman are spoken to alike, and what they cannot do becomes one line with the next step."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from builders_images import BASE_ID, fake_docker, make_base, make_python
from loadlab.errors import ImageError
from loadlab.execute.images.base import BasePython, base_python
from loadlab.execute.images.docker import ContainerTool, find_container_tool
from loadlab.execute.images.ledger import read_ledger, saving, write_ledger
from loadlab.execute.images.reference import BASE, split


def _tool(tmp_path: Path, name: str = "docker", **told: object) -> ContainerTool:
    docker = fake_docker(tmp_path, name=name)
    docker.tell(**told)
    return ContainerTool(docker.program)


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (("docker", "podman"), None, "docker"),
        (("podman",), None, "podman"),
        (("docker", "podman"), "podman", "podman"),
    ],
)
def test_docker_comes_before_podman_unless_told(
    tmp_path: Path, there: tuple[str, ...], asked: str | None, found: str
) -> None:
    for name in there:
        fake_docker(tmp_path, name=name)
    environ = {"PATH": str(tmp_path)} | ({"LAB_CONTAINER_TOOL": asked} if asked else {})
    assert find_container_tool(environ).name == found


def test_a_tool_may_be_named_by_its_path(tmp_path: Path) -> None:
    program = fake_docker(tmp_path, name="podman").program
    assert find_container_tool({"PATH": "", "LAB_CONTAINER_TOOL": str(program)}).is_podman


def test_no_tool_at_all_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no docker and no podman on PATH; install Docker"):
        find_container_tool({"PATH": str(tmp_path)})
    with pytest.raises(
        ImageError, match="LAB_CONTAINER_TOOL=nerdctl: no such program on PATH; expected docker or podman"
    ):
        find_container_tool({"PATH": str(tmp_path), "LAB_CONTAINER_TOOL": "nerdctl"})


def test_an_engine_that_is_not_running_says_so(tmp_path: Path) -> None:
    tool = _tool(tmp_path, fails={"version": "Cannot connect to the Docker daemon. Is it running?"})
    with pytest.raises(ImageError, match=r"the engine does not answer: Cannot connect .* running\?; start Docker"):
        tool.check()


def test_a_base_that_cannot_be_pulled_says_why(tmp_path: Path) -> None:
    tool = _tool(tmp_path, fails={"pull": "Error response from daemon: no such host"})
    with pytest.raises(ImageError, match=r"base image python:3: .* no such host; see to the registry, or set LAB_BASE"):
        tool.pull("python:3")


def test_an_image_is_known_by_the_same_id_whoever_tells_it(tmp_path: Path) -> None:
    found = _tool(tmp_path).find("base:1")
    assert found is not None
    assert (found.id, found.size_bytes, found.layers) == (BASE_ID, 1000, ("base",))
    assert _tool(tmp_path).find("other:1") is None


def test_a_build_gets_no_network_and_its_last_lines_are_shown(tmp_path: Path) -> None:
    docker = fake_docker(tmp_path)
    ContainerTool(docker.program).build(tmp_path, tag="x:1", arguments={"BASE_IMAGE": "base:1"}, labels={"a": "b"})
    expected = ["build", "--network", "none", "--tag", "x:1", "--build-arg", "BASE_IMAGE=base:1", "--label", "a=b"]
    assert docker.calls == [[*expected, str(tmp_path)]]
    docker.tell(fails={"build": "\n".join(f"line {n}" for n in range(20))})
    with pytest.raises(ImageError, match=r"^x:1: the build failed: line 14; .*line 19; the context is "):
        ContainerTool(docker.program).build(tmp_path, tag="x:1", arguments={}, labels={})


def test_a_full_disk_while_building_says_how_to_free_some(tmp_path: Path) -> None:
    tool = _tool(tmp_path, fails={"build": "write /x: no space left on device"})
    with pytest.raises(ImageError, match="the disk is full while building; `docker system prune` frees some space"):
        tool.build(tmp_path, tag="x:1", arguments={}, labels={})


def test_a_full_disk_of_the_checkout_says_so(tmp_path: Path) -> None:
    def write() -> None:
        with saving(tmp_path / "file"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ImageError, match="file: the disk is full; free some space, then `make images` goes on"):
        write()


def test_a_push_is_recorded_by_the_digest_that_the_registry_knows(tmp_path: Path) -> None:
    tool = _tool(tmp_path)
    assert tool.push("base:1", "host:5000/team/base:1") == "sha256:" + "d" * 64
    refused = _tool(tmp_path / "refused", fails={"push": "denied: requested access to the resource is denied"})
    with pytest.raises(ImageError, match=r"host/base:1: cannot be pushed: denied: .*; `docker login` to that registry"):
        refused.push("base:1", "host/base:1")


def test_a_program_that_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"docker version .*cannot be run: No such file or directory; mend it or set"):
        ContainerTool(tmp_path / "docker").check()


def test_the_bases_python_is_asked_once_for_each_image(tmp_path: Path) -> None:
    docker = fake_docker(tmp_path / "bin")
    tool = ContainerTool(docker.program)
    first = base_python(tool, make_base(), tmp_path / "bases")
    assert first == base_python(tool, make_base(), tmp_path / "bases") == make_python()
    assert docker.verbs() == ["run"]
    base_python(tool, make_base(id="sha256:" + "c" * 64), tmp_path / "bases")
    assert docker.verbs() == ["run", "run"]


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"version": "3.10.1"}, r"cpython 3\.10\.1"),
        ({"implementation": "pypy"}, r"pypy 3\.12\.4"),
        ({"glibc": ""}, r"Python 3\.12\.4 without glibc"),
        ({"has_venv": False}, r"Python 3\.12\.4 without venv and ensurepip"),
    ],
)
def test_a_base_whose_python_will_not_do_is_refused(tmp_path: Path, changes: dict[str, object], got: str) -> None:
    python = make_python(**changes)
    facts = json.dumps({name: getattr(python, name) for name in BasePython.__slots__})
    docker = fake_docker(tmp_path, python=facts)
    with pytest.raises(ImageError, match=rf"base image base:1: got {got}, expected CPython 3\.11 or newer on glibc"):
        base_python(ContainerTool(docker.program), make_base(), tmp_path / "bases")


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    tool = _tool(tmp_path, fails={"run": "exec: python3: executable file not found"})
    with pytest.raises(ImageError, match="got no python3 that runs, expected CPython"):
        base_python(tool, make_base(), tmp_path / "bases")


@pytest.mark.parametrize("reference", ["python", "python:latest", "registry:5000/python", "two words:1"])
def test_a_base_that_moves_is_refused(reference: str) -> None:
    with pytest.raises(ImageError, match="expected an image with a version as its tag, or with a digest"):
        BASE.chosen({"LAB_BASE_IMAGE": reference})


def test_a_reference_is_taken_apart_at_its_registrys_port_too() -> None:
    digest = "sha256:" + "a" * 64
    found = split(f"registry:5000/team/python:3.12@{digest}")
    assert found is not None
    assert (found.image, found.tag, found.digest) == ("registry:5000/team/python", "3.12", digest)
    assert BASE.chosen({"LAB_BASE_IMAGE": f"mirror/python@{digest}"}) == f"mirror/python@{digest}"
    assert BASE.chosen({"LAB_BASE_IMAGE": ""}) == "python:3.12-slim-bookworm"


def test_a_ledger_that_is_damaged_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "images.json"
    assert read_ledger(path) == {}
    write_ledger(path, {"flask": {"tag": "c-1"}})
    assert read_ledger(path) == {"flask": {"tag": "c-1"}}
    path.write_text("{")
    assert read_ledger(path) == {}
