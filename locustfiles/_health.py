"""Was it the generator? Greenlet lag, processor time, steal and throttling of one Locust process."""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from _recorder import Recorder

PROBE_INTERVAL_S = 0.010
MOST_TICKS = 1000
STEAL_COLUMN = 8
GUEST_COLUMN = 9


def probe_lag(recorder: Recorder) -> None:
    """Ask to wake at every tick of 10 ms, for ever, and record how late that was; run it in a greenlet of its own.

    A stall is charged to every tick that it hides, as open arrivals are: one sample of it would be outweighed by the
    many good ones around it, however long it was. A process that was halted for longer than ``MOST_TICKS`` begins anew.
    """
    clock, append = recorder.clock, recorder.lags.extend
    due_s = clock()
    while True:
        due_s += PROBE_INTERVAL_S
        gevent.sleep(max(0.0, due_s - clock()))
        now_s = clock()
        due_s = max(due_s, now_s - MOST_TICKS * PROBE_INTERVAL_S)
        append((due_s, max(0.0, now_s - due_s)))
        while due_s + PROBE_INTERVAL_S <= now_s:
            due_s += PROBE_INTERVAL_S
            append((due_s, now_s - due_s))


def read_steal(stat: str, cpus: Collection[int]) -> tuple[int, int] | None:
    """(stolen, all) ticks of these processors since boot, from the text of /proc/stat; None if not told."""
    wanted = {f"cpu{cpu}" for cpu in cpus}
    stolen = total = 0
    for line in stat.splitlines():
        name, *ticks = line.split()
        if name in wanted and len(ticks) >= STEAL_COLUMN:
            stolen += int(ticks[STEAL_COLUMN - 1])
            total += sum(map(int, ticks[: GUEST_COLUMN - 1]))
    return (stolen, total) if total else None


def throttle_files(proc_cgroup: str, root: Path) -> list[Path]:
    """Where the cpu.stat of a process may be, nearest first, from the text of /proc/self/cgroup."""
    found: list[Path] = []
    for line in proc_cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        below = path.lstrip("/")
        if "cpu" in controllers.split(","):
            mounts = [root / controllers, root / "cpu", root / "cpu,cpuacct"]
        elif number == "0" and not controllers:
            mounts = [root, root / "unified"]
        else:
            continue
        found += [mount / below / "cpu.stat" for mount in mounts]
        found += [mount / "cpu.stat" for mount in mounts]
    return found


def read_throttled_s(cpu_stat: str) -> float | None:
    """Seconds of throttling so far, from the text of a cpu.stat of cgroup v1 or v2; None if not told."""
    fields = dict(line.split(maxsplit=1) for line in cpu_stat.splitlines() if " " in line)
    if "throttled_usec" in fields:
        return int(fields["throttled_usec"]) / 1e6
    if "throttled_time" in fields:
        return int(fields["throttled_time"]) / 1e9
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Cumulative figures of this process and its surroundings at one instant; None is not known here."""

    at_s: float
    cpu_s: float
    steal: tuple[int, int] | None
    throttled_s: float | None


class CpuMeter:
    """Reads processor time, steal and throttling; the files are looked for once."""

    def __init__(self, proc: Path = Path("/proc"), cgroup_root: Path = Path("/sys/fs/cgroup")) -> None:
        self._stat = proc / "stat"
        self._cpu_stat: Path | None = None
        for candidate in throttle_files(_text(proc / "self" / "cgroup"), cgroup_root):
            if read_throttled_s(_text(candidate)) is not None:
                self._cpu_stat = candidate
                break

    @property
    def group(self) -> str:
        """Names the control group whose throttling is read, so that its workers count it once."""
        return f"{socket.gethostname()}:{self._cpu_stat}"

    def read(self) -> CpuReading:
        """The figures now."""
        throttled_s = read_throttled_s(_text(self._cpu_stat)) if self._cpu_stat else None
        return CpuReading(
            at_s=time.perf_counter(),
            cpu_s=time.process_time(),
            steal=read_steal(_text(self._stat), os.sched_getaffinity(0)),
            throttled_s=throttled_s,
        )

    def between(self, first: CpuReading, last: CpuReading) -> dict[str, Any]:
        """Rates between two readings, as a message to the master."""
        elapsed_s = last.at_s - first.at_s
        steal_ratio = None
        if first.steal and last.steal and last.steal[1] > first.steal[1] and last.steal[0] >= first.steal[0]:
            steal_ratio = (last.steal[0] - first.steal[0]) / (last.steal[1] - first.steal[1])
        throttled_s = None
        if first.throttled_s is not None and last.throttled_s is not None:
            throttled_s = last.throttled_s - first.throttled_s
        return {
            "cpu_cores": (last.cpu_s - first.cpu_s) / elapsed_s if elapsed_s > 0 else 0.0,
            "steal_ratio": steal_ratio,
            "throttled_s": throttled_s,
            "group": self.group,
        }
