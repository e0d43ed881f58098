"""What the lab's cluster needs of this machine: Docker, memory, cores, inotify, ports, disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from loadlab.execute.doctor import Check, Status
from loadlab.execute.lab.engine import EngineInfo
from loadlab.execute.machine import Machine
from loadlab.units import format_bytes, format_count

PORTS: Mapping[int, str] = {8089: "Locust", 3000: "Grafana", 9090: "Prometheus", 8800: "flask", 8801: "fastapi"}
"""What is published on 127.0.0.1, as k8s/kind/cluster.yaml has it."""

CORES_NEEDED = 2
MEMORY_WANTED_BYTES, MEMORY_NEEDED_BYTES = 6 * 2**30, 3 * 2**30
DISK_WANTED_BYTES, DISK_NEEDED_BYTES = 10 * 2**30, 4 * 2**30
INOTIFY = {"max_user_instances": (512, 256), "max_user_watches": (524_288, 65_536)}
"""Wanted, and needed by three nodes."""


def lab_checks(
    info: EngineInfo, machine: Machine, cores: float, *, is_up: bool, holder: Callable[[int], str | None]
) -> list[Check]:
    """Everything but Docker itself. is_up: the cluster has its ports and memory already; holder: of a port."""
    checks = [
        Check(name="docker", status="ok", got=f"version {info.version}", expected="an engine", next_step=None),
        check_cores(cores),
        *(check_inotify(machine, name) for name in INOTIFY),
        check_disk(info.root),
    ]
    if not is_up:
        checks += [check_memory(machine.memory_bytes("MemAvailable")), *check_ports(PORTS, holder)]
    return checks


def check_cores(cores: float) -> Check:
    """The cluster, the load and the stack share them."""
    step = "give this machine or container at least two cores"
    return _check("cores", cores >= CORES_NEEDED, "fail", f"{cores:g}", f"at least {CORES_NEEDED}", step)


def check_memory(available_bytes: int | None) -> Check:
    """Kubernetes takes 1.2 GiB on three nodes, the lab 1.5 GiB beside it."""
    expected = f"at least {format_bytes(MEMORY_WANTED_BYTES)}"
    if available_bytes is None:
        return Check(name="free memory", status="ok", got="not readable", expected=expected, next_step=None)
    worst: Status = "warn" if available_bytes >= MEMORY_NEEDED_BYTES else "fail"
    good = available_bytes >= MEMORY_WANTED_BYTES
    return _check("free memory", good, worst, format_bytes(available_bytes), expected, "end other programs")


def check_inotify(machine: Machine, name: str) -> Check:
    """Each node's kubelet and containerd watch files; all nodes share the limits of the machine."""
    wanted, needed = INOTIFY[name]
    text = machine.text(f"proc/sys/fs/inotify/{name}")
    expected = f"at least {format_count(wanted)}"
    if text is None or not text.strip().isdigit():
        return Check(name=f"inotify {name}", status="ok", got="not readable", expected=expected, next_step=None)
    got = int(text)
    worst: Status = "warn" if got >= needed else "fail"
    step = f"sudo sysctl fs.inotify.{name}={wanted}"
    return _check(f"inotify {name}", got >= wanted, worst, format_count(got), expected, step)


def check_disk(root: Path) -> Check:
    """Where Docker keeps images and nodes; elsewhere (a virtual machine of its own) it cannot be seen."""
    expected = f"at least {format_bytes(DISK_WANTED_BYTES)}"
    try:
        free_bytes = shutil.disk_usage(root).free
    except OSError:
        return Check(name="docker's disk", status="ok", got="not readable", expected=expected, next_step=None)
    worst: Status = "warn" if free_bytes >= DISK_NEEDED_BYTES else "fail"
    step = "docker system prune frees what nobody uses"
    return _check("docker's disk", free_bytes >= DISK_WANTED_BYTES, worst, format_bytes(free_bytes), expected, step)


def check_ports(ports: Mapping[int, str], holder: Callable[[int], str | None]) -> Iterable[Check]:
    """Free, or held by whom."""
    for port, part in ports.items():
        by = holder(port)
        step = f"end it, then `make lab-up` goes on; the lab shows {part} there"
        yield _check(f"port {port}", by is None, "fail", by or "free", "free on 127.0.0.1", step)


def _check(name: str, is_good: bool, otherwise: Status, got: str, expected: str, next_step: str) -> Check:
    status: Status = "ok" if is_good else otherwise
    return Check(name=name, status=status, got=got, expected=expected, next_step=None if is_good else next_step)
