"""Processor time, memory and connections of the service's own process tree, as a Prometheus collector."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from svc_common import process_reading
from svc_common.connections import connections_by_pid
from svc_common.process_reading import Memory

Role = Literal["master", "worker", "helper"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One living process of the tree. `memory` is None when it is a zombie or was gone while being read."""

    pid: int
    started_ticks: int
    role: Role
    cpu_s: float
    memory: Memory | None


class ProcessTree:
    """The processes of a service: its root and all that descend from it.

    `root_role` says what the root is: the "master" of workers (gunicorn's arbiter, whose children are the
    workers) or itself the only "worker" (uvicorn). Any deeper process is a "helper".
    """

    def __init__(self, root_pid: int, *, root_role: Literal["master", "worker"]) -> None:
        self._root_pid = root_pid
        self._root_role = root_role
        self._last_cpu_s: dict[tuple[int, int], float] = {}
        self._reported_s = 0.0
        self._lock = threading.Lock()

    def members(self) -> list[Member]:
        """Every process of the tree that is alive now, the root first."""
        found = [self._member(pid, role) for pid, role in self._pids(self._root_pid, self._root_role)]
        return [member for member in found if member is not None]

    def worker_pids(self) -> list[int]:
        """The workers that are alive now."""
        return [pid for pid, role in self._pids(self._root_pid, self._root_role) if role == "worker"]

    def waited_for_s(self) -> float:
        """Processor time of children that the root has waited for; 0 unless the root is this process.

        To be read before the members: one that dies in between is then missing for a moment, and never counted twice.
        """
        if self._root_pid != os.getpid():
            return 0.0
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def cpu_seconds(self, members: list[Member], waited_for_s: float) -> float:
        """Processor time of the tree since its start; never falls, also when a process dies.

        A dead process counts with what was last seen of it, or with what the root was told when it was
        waited for, whichever is more: the latter is exact, and known when the root is this process.
        """
        with self._lock:
            alive = {(member.pid, member.started_ticks) for member in members}
            for member in members:
                self._last_cpu_s[member.pid, member.started_ticks] = member.cpu_s
            dead_s = sum(cpu_s for key, cpu_s in self._last_cpu_s.items() if key not in alive)
            total_s = sum(member.cpu_s for member in members) + max(dead_s, waited_for_s)
            self._reported_s = max(self._reported_s, total_s)
            return self._reported_s

    def _pids(self, pid: int, role: Role) -> Iterator[tuple[int, Role]]:
        yield pid, role
        for child in process_reading.children(pid):
            yield from self._pids(child, "worker" if role == "master" else "helper")

    @staticmethod
    def _member(pid: int, role: Role) -> Member | None:
        started_ticks = process_reading.started_ticks(pid)
        cpu_s = process_reading.cpu_seconds(pid)
        if started_ticks is None or cpu_s is None:
            return None
        memory = process_reading.memory(pid)
        return Member(pid=pid, started_ticks=started_ticks, role=role, cpu_s=cpu_s, memory=memory)


class ProcessTreeCollector(Collector):
    """Exports a `ProcessTree`: sums as `process_tree_*`, each process as `worker_*{pid, role}`.

    `worker_slots` is there when `slots_per_worker` is given; connections are counted for workers only.
    """

    def __init__(self, tree: ProcessTree, *, port: int, slots_per_worker: int | None) -> None:
        self._tree = tree
        self._port = port
        self._slots_per_worker = slots_per_worker

    def collect(self) -> Iterator[Metric]:
        """Read the tree once; what could not be read has no sample."""
        waited_for_s = self._tree.waited_for_s()
        members = self._tree.members()
        cpu_s = self._tree.cpu_seconds(members, waited_for_s)
        yield _total("process_tree_cpu_seconds", "Processor time of the tree.", cpu_s)
        yield from _memory_sums(members)
        yield _cpu_by_process(members)
        for part in ("pss", "uss", "rss"):
            yield _memory_by_process(part, members)
        yield from self._of_workers([member.pid for member in members if member.role == "worker"])

    def _of_workers(self, pids: list[int]) -> Iterator[Metric]:
        counts = connections_by_pid(pids, self._port)
        connections = GaugeMetricFamily(
            "worker_connections", "Accepted connections that are open.", labels=["pid", "role"]
        )
        for pid, count in counts.items():
            connections.add_metric([str(pid), "worker"], count)
        yield connections
        if self._slots_per_worker is not None:
            slots = GaugeMetricFamily("worker_slots", "Request slots of a worker.", labels=["pid"])
            for pid in pids:
                slots.add_metric([str(pid)], self._slots_per_worker)
            yield slots


def _total(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)


def _memory_sums(members: list[Member]) -> Iterator[Metric]:
    readings = [member.memory for member in members if member.memory is not None]
    yield GaugeMetricFamily(
        "process_tree_rss_bytes",
        "Resident memory, shared pages once per process.",
        value=sum(reading.rss_bytes for reading in readings),
    )
    pss_bytes = [reading.pss_bytes for reading in readings if reading.pss_bytes is not None]
    # A sum that lacks a process would look like a saving.
    if len(pss_bytes) == len(readings):
        yield GaugeMetricFamily(
            "process_tree_pss_bytes", "Resident memory, shared pages split evenly.", value=sum(pss_bytes)
        )


def _cpu_by_process(members: list[Member]) -> Metric:
    family = CounterMetricFamily("worker_cpu_seconds", "Processor time of a process.", labels=["pid", "role"])
    for member in members:
        family.add_metric([str(member.pid), member.role], member.cpu_s)
    return family


_MEMORY_PARTS: dict[str, Callable[[Memory], int | None]] = {
    "pss": lambda reading: reading.pss_bytes,
    "uss": lambda reading: reading.uss_bytes,
    "rss": lambda reading: reading.rss_bytes,
}


def _memory_by_process(part: str, members: list[Member]) -> Metric:
    family = GaugeMetricFamily(f"worker_{part}_bytes", f"{part.upper()} of a process.", labels=["pid", "role"])
    for member in members:
        value = None if member.memory is None else _MEMORY_PARTS[part](member.memory)
        if value is not None:
            family.add_metric([str(member.pid), member.role], value)
    return family
