"""Doctor of the lab: what is missing is named with the next step, and a taken port with its process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from loadlab.execute.lab import listeners
from loadlab.execute.lab.engine import EngineInfo
from loadlab.execute.lab.machine_checks import (
    check_cores,
    check_disk,
    check_inotify,
    check_memory,
    check_ports,
    lab_checks,
)
from loadlab.execute.machine import Machine

GIB = 2**30


def test_a_taken_port_is_named_with_its_process() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not listeners.is_free(port)
        held = listeners.holder(port)
        (check,) = check_ports({port: "Locust"}, lambda asked: None if listeners.is_free(asked) else held)
    assert f"(pid {os.getpid()})" in held
    assert (check.status, check.got) == ("fail", held)
    assert check.next_step == "end it, then `make lab-up` goes on; the lab shows Locust there"


def test_a_free_port_is_fine() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert listeners.is_free(port)


def test_a_port_that_nobody_known_listens_on_is_said_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert "process" in listeners.holder(probe.getsockname()[1])


@pytest.mark.parametrize(("got", "status"), [(8 * GIB, "ok"), (4 * GIB, "warn"), (GIB, "fail"), (None, "ok")])
def test_memory(got: int | None, status: str) -> None:
    assert check_memory(got).status == status


@pytest.mark.parametrize(("got", "status"), [("512", "ok"), ("300", "warn"), ("128", "fail"), ("odd", "ok")])
def test_inotify_limits_come_with_the_command_that_raises_them(tmp_path: Path, got: str, status: str) -> None:
    folder = tmp_path / "proc" / "sys" / "fs" / "inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_instances").write_text(f"{got}\n")
    check = check_inotify(Machine(root=tmp_path), "max_user_instances")
    assert check.status == status
    assert status == "ok" or check.next_step == "sudo sysctl fs.inotify.max_user_instances=512"


def test_one_core_is_too_few() -> None:
    assert check_cores(1.0).status == "fail"
    assert check_cores(2.0).status == "ok"


def test_a_disk_that_cannot_be_seen_is_no_fault(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "elsewhere").got == "not readable"


def test_a_lab_that_is_up_holds_its_ports_itself(tmp_path: Path) -> None:
    info = EngineInfo(version="28", cgroup_version="2", root=tmp_path)
    up = lab_checks(info, Machine(root=tmp_path), 2.0, is_up=True, holder=lambda _: "docker-proxy (pid 1)")
    down = lab_checks(info, Machine(root=tmp_path), 2.0, is_up=False, holder=lambda _: "nginx (pid 7)")
    assert not any(check.name.startswith("port") for check in up)
    assert {check.got for check in down if check.name.startswith("port")} == {"nginx (pid 7)"}
