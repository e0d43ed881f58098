"""What else happens on this machine while nothing of ours runs: other processes, stolen time, late timers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

_GUARDIAN = "/execute/guardian.py"
_AWAKE = "/execute/awake.py"
_LAB_MODULES = ("flask_gunicorn", "fastapi_uvicorn", "upstream", "golden")


@dataclass(frozen=True, kw_only=True, slots=True)
class BusyProcess:
    """A process that used the processor; ``cpu_cores`` is processor seconds per second.

    contained: it lives in a container, such as a pod of a lab on this machine, which starts it again when it ends.
    """

    pid: int
    name: str
    cpu_cores: float
    contained: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One observed stretch. ``steal_ratio`` is None where the kernel counts none; busy processes come busiest first."""

    steal_ratio: float | None
    busy: tuple[BusyProcess, ...]


def observe(seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> Activity:
    """Watch the machine for some seconds. This process, its parents and its children are left out."""
    ours = own_family()
    stolen, total = steal_ticks()
    before, began = _cpu_s_by_pid(), time.monotonic()
    sleep(seconds)
    elapsed_s = time.monotonic() - began
    after = _cpu_s_by_pid()
    stolen_later, total_later = steal_ticks()
    busy = [
        BusyProcess(pid=pid, name=name, cpu_cores=(cpu_s - before[pid][1]) / elapsed_s)
        for pid, (name, cpu_s) in after.items()
        if pid in before and pid not in ours
    ]
    return Activity(
        steal_ratio=(stolen_later - stolen) / (total_later - total) if total_later > total else None,
        busy=tuple(sorted((each for each in busy if each.cpu_cores > 0), key=lambda each: -each.cpu_cores)),
    )


def timer_overshoot_s(sleeps: int = 100, *, each_s: float = 0.001) -> tuple[float, ...]:
    """How much later than asked this process woke up, ascending."""
    late = []
    for _ in range(sleeps):
        began = time.perf_counter()
        time.sleep(each_s)
        late.append(time.perf_counter() - began - each_s)
    return tuple(sorted(late))


def left_over_processes(processes: Iterable[psutil.Process] | None = None) -> tuple[BusyProcess, ...]:
    """Processes that a lab run starts and that are not of this process's family: another run, or one that fell."""
    ours = own_family()
    found = []
    for process in psutil.process_iter() if processes is None else processes:
        try:
            words = process.cmdline()
            if process.pid not in ours and is_lab_command(words):
                contained = is_contained(process.pid)
                found.append(BusyProcess(pid=process.pid, name=_lab_name(words), cpu_cores=0.0, contained=contained))
        except psutil.Error:
            continue
    return tuple(sorted(found, key=lambda each: each.pid))


def is_contained(pid: int) -> bool:
    """Whether a process has other process ids for itself than this one has; what cannot be read is taken for ours."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    except OSError:
        return False


def is_lab_command(words: list[str]) -> bool:
    """Whether a command line starts one of the lab's services, its load generator, or what keeps a core awake."""
    return _lab_name(words) != ""


def steal_ticks() -> tuple[int, int]:
    """Ticks that the host took from all processors since boot, and all ticks; (0, 0) where they are not counted."""
    try:
        with Path("/proc/stat").open(encoding="ascii") as file:
            fields = [int(word) for word in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return (fields[7], sum(fields)) if len(fields) == 8 else (0, 0)


def own_family() -> frozenset[int]:
    """Process ids of this process, its parents and its descendants."""
    me = psutil.Process()
    return frozenset({os.getpid(), *(p.pid for p in me.parents()), *(c.pid for c in me.children(recursive=True))})


def _lab_name(words: list[str]) -> str:
    if any(word.endswith(_GUARDIAN) for word in words):
        return ""  # its words are those of its child, which is found itself
    if any(flag == "-S" and value.endswith(_AWAKE) for flag, value in pairwise(words)):
        return "awake"
    for flag, value in pairwise(words):
        if flag == "-m" and value in _LAB_MODULES:
            return value
    is_locust = any(word == "locust" or word.endswith("/locust") for word in words)
    return "locust" if is_locust and any("lab_plugin.py" in word for word in words) else ""


def _cpu_s_by_pid() -> Mapping[int, tuple[str, float]]:
    found: dict[int, tuple[str, float]] = {}
    for process in psutil.process_iter():
        try:
            times = process.cpu_times()
            found[process.pid] = (process.name(), times.user + times.system)
        except psutil.Error:
            continue
    return found
