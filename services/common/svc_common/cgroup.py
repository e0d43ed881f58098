"""The service's own control group, version 1 or 2, as a Prometheus collector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
NO_LIMIT_BYTES = 1 << 60
"""Version 1 writes "no limit" as the largest page-aligned number; no machine has this much memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CgroupReading:
    """One reading of the group's files. None: the file or the line is not there, or there is no limit."""

    cpu_usage_s: float | None
    cpu_throttled_s: float | None
    cpu_throttled_periods: int | None
    cpu_limit_cores: float | None
    memory_usage_bytes: int | None
    memory_anon_bytes: int | None
    memory_working_set_bytes: int | None
    memory_limit_bytes: int | None


def read_cgroup(*, mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> CgroupReading:
    """Read the group that this process is in.

    `mount` is where control groups are mounted and `membership` the process's list of groups (cgroups(7)).
    Inside a container the list may name the host's path, which is not mounted: then the mount's top is ours.
    """
    paths = _paths_by_controller(membership)
    if (mount / "cgroup.controllers").exists():
        return _read_v2(_own_folder(mount, paths.get("", "/")))
    cpu = _own_folder(_hierarchy(mount, "cpu"), paths.get("cpu", "/"))
    cpuacct = _own_folder(_hierarchy(mount, "cpuacct"), paths.get("cpuacct", "/"))
    memory = _own_folder(_hierarchy(mount, "memory"), paths.get("memory", "/"))
    return _read_v1(cpu=cpu, cpuacct=cpuacct, memory=memory)


def _paths_by_controller(membership: Path) -> dict[str, str]:
    """Controller to path; the version 2 group has the empty name."""
    paths: dict[str, str] = {}
    for line in (_text(membership) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _hierarchy(mount: Path, controller: str) -> Path:
    """Version 1: where a controller is mounted: by its name, or with others in one folder like `cpu,cpuacct`."""
    own = mount / controller
    shared = [] if own.is_dir() else [path for path in mount.glob("*,*") if controller in path.name.split(",")]
    return shared[0] if shared else own


def _own_folder(top: Path, path: str) -> Path:
    """The group's folder; a path from outside of our control group namespace (`/../x`) is not mounted here."""
    folder = top / path.lstrip("/")
    return folder if folder.is_dir() and ".." not in folder.parts else top


def _read_v2(folder: Path) -> CgroupReading:
    cpu = _table(folder / "cpu.stat")
    memory = _table(folder / "memory.stat")
    usage_bytes = _integer(folder / "memory.current")
    quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")
    return CgroupReading(
        cpu_usage_s=_scaled(cpu.get("usage_usec"), 1e6),
        cpu_throttled_s=_scaled(cpu.get("throttled_usec"), 1e6),
        cpu_throttled_periods=cpu.get("nr_throttled"),
        cpu_limit_cores=_cores(quota, period),
        memory_usage_bytes=usage_bytes,
        memory_anon_bytes=memory.get("anon"),
        memory_working_set_bytes=_working_set_bytes(usage_bytes, memory.get("inactive_file")),
        memory_limit_bytes=_limit_bytes(_integer(folder / "memory.max")),
    )


def _read_v1(*, cpu: Path, cpuacct: Path, memory: Path) -> CgroupReading:
    cpu_stat = _table(cpu / "cpu.stat")
    memory_stat = _table(memory / "memory.stat")
    usage_bytes = _integer(memory / "memory.usage_in_bytes")
    inactive_bytes = memory_stat.get("total_inactive_file")
    return CgroupReading(
        cpu_usage_s=_scaled(_integer(cpuacct / "cpuacct.usage"), 1e9),
        cpu_throttled_s=_scaled(cpu_stat.get("throttled_time"), 1e9),
        cpu_throttled_periods=cpu_stat.get("nr_throttled"),
        cpu_limit_cores=_cores(_text(cpu / "cpu.cfs_quota_us") or "", _text(cpu / "cpu.cfs_period_us") or ""),
        memory_usage_bytes=usage_bytes,
        memory_anon_bytes=memory_stat.get("total_rss"),
        memory_working_set_bytes=_working_set_bytes(usage_bytes, inactive_bytes),
        memory_limit_bytes=_limit_bytes(_integer(memory / "memory.limit_in_bytes")),
    )


class CgroupCollector(Collector):
    """Exports `read_cgroup` as `cgroup_*`; what is None has no sample."""

    def __init__(self, *, mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> None:
        self._mount = mount
        self._membership = membership

    def collect(self) -> Iterator[Metric]:
        """Read the group's files once."""
        reading = read_cgroup(mount=self._mount, membership=self._membership)
        counters = {
            "cgroup_cpu_usage_seconds": ("Processor time of the control group.", reading.cpu_usage_s),
            "cgroup_cpu_throttled_seconds": ("Time it was kept off the processor.", reading.cpu_throttled_s),
            "cgroup_cpu_throttled_periods": ("Periods it was throttled in.", reading.cpu_throttled_periods),
        }
        gauges = {
            "cgroup_cpu_limit_cores": ("Processor limit.", reading.cpu_limit_cores),
            "cgroup_memory_usage_bytes": ("Memory charged.", reading.memory_usage_bytes),
            "cgroup_memory_anon_bytes": ("Anonymous memory.", reading.memory_anon_bytes),
            "cgroup_memory_working_set_bytes": (
                "Memory charged less inactive files.",
                reading.memory_working_set_bytes,
            ),
            "cgroup_memory_limit_bytes": ("Memory limit.", reading.memory_limit_bytes),
        }
        for name, (documentation, value) in counters.items():
            if value is not None:
                yield CounterMetricFamily(name, documentation, value=value)
        for name, (documentation, value) in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(name, documentation, value=value)


def _working_set_bytes(usage_bytes: int | None, inactive_file_bytes: int | None) -> int | None:
    """What the kubelet calls the working set: usage less the file cache that is easily given back."""
    if usage_bytes is None or inactive_file_bytes is None:
        return None
    return max(0, usage_bytes - inactive_file_bytes)


def _cores(quota: str, period: str) -> float | None:
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _limit_bytes(value: int | None) -> int | None:
    return None if value is None or value >= NO_LIMIT_BYTES else value


def _scaled(value: int | None, per_unit: float) -> float | None:
    return None if value is None else value / per_unit


def _integer(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.isdigit() else None


def _table(path: Path) -> dict[str, int]:
    pairs = [line.split() for line in (_text(path) or "").splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
