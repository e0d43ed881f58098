"""What Linux tells about one process: processor time, memory, children. None where it cannot be read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
KIB = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Memory of one process; PSS and USS are None where smaps_rollup is missing or forbidden."""

    rss_bytes: int
    pss_bytes: int | None
    uss_bytes: int | None


def cpu_seconds(pid: int) -> float | None:
    """Processor time of a process with all its threads, dead ones too; None when the process is gone.

    The kernel's per-process clock (clock_getcpuclockid(3): the id is `~pid << 3 | 2`) counts nanoseconds;
    without it psutil's sum has a resolution of a scheduler tick, commonly 10 ms.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        pass
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


def memory(pid: int) -> Memory | None:
    """Memory of a process; None when it is gone or a zombie."""
    try:
        return _memory_of_rollup((PROC / str(pid) / "smaps_rollup").read_bytes())
    except (OSError, KeyError):
        pass
    try:
        resident_pages = int((PROC / str(pid) / "statm").read_bytes().split()[1])
    except OSError:
        return None
    rss_bytes = resident_pages * os.sysconf("SC_PAGE_SIZE")
    return Memory(rss_bytes=rss_bytes, pss_bytes=None, uss_bytes=None) if rss_bytes else None


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid its identity. None when it is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command name, in brackets, may hold anything: fields are counted after its end (proc(5): starttime).
    return int(stat.rpartition(b")")[2].split()[19])


def children(pid: int) -> list[int]:
    """The direct children of a process; none when it is gone."""
    try:
        lists = [path.read_bytes() for path in (PROC / str(pid) / "task").glob("*/children")]
    except OSError:
        lists = []
    if lists:
        return [int(child) for children_of_thread in lists for child in children_of_thread.split()]
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def _memory_of_rollup(rollup: bytes) -> Memory:
    kib: dict[bytes, int] = {}
    for line in rollup.splitlines()[1:]:
        name, _, rest = line.partition(b":")
        kib[name] = int(rest.split()[0])
    return Memory(
        rss_bytes=kib[b"Rss"] * KIB,
        pss_bytes=kib[b"Pss"] * KIB,
        uss_bytes=(kib[b"Private_Clean"] + kib[b"Private_Dirty"]) * KIB,
    )
