"""Resources of a stack read from outside: its process tree in /proc. Fills what the service does not export itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import psutil

from loadlab.execute.ports import ResourceProbe
from loadlab.execute.processes import process_cpu_s, process_tree
from loadlab.model.run import ResourceSample, WorkerSample


class ProcessProbe:
    """ResourceProbe that asks the service first and the process tree for what is absent then."""

    def __init__(self, inner: ResourceProbe, root_pid: Callable[[str], int | None]) -> None:
        self._inner = inner
        self._root_pid = root_pid

    def sample(self, stack: str) -> ResourceSample:
        """The stack now."""
        sample = self._inner.sample(stack)
        root = self._root_pid(stack)
        if root is None or (sample.cpu_s is not None and sample.pss_bytes is not None):
            return sample
        workers = tuple(w for pid in process_tree(root) if (w := _read(pid, root)) is not None)
        return replace(
            sample,
            cpu_s=sample.cpu_s if sample.cpu_s is not None else _total(w.cpu_s for w in workers),
            pss_bytes=sample.pss_bytes if sample.pss_bytes is not None else _total(w.pss_bytes for w in workers),
            rss_bytes=sample.rss_bytes if sample.rss_bytes is not None else _total(w.rss_bytes for w in workers),
            workers=sample.workers or workers,
        )

    def take_scrapes(self, stack: str) -> str:
        """The service's own expositions."""
        return self._inner.take_scrapes(stack)


Number = TypeVar("Number", int, float)


def _total(values: Iterable[Number | None]) -> Number | None:
    """The sum; None when there is nothing or when a part is absent."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(listed) else None


def _read(pid: int, root: int) -> WorkerSample | None:
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return None
    return WorkerSample(
        pid=pid,
        role="master" if pid == root else "worker",
        cpu_s=process_cpu_s(pid),
        pss_bytes=memory.pss,
        rss_bytes=memory.rss,
        uss_bytes=memory.uss,
        slots_busy=None,
        connections=None,
    )
