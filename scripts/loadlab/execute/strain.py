"""What the host takes when this machine works: it takes nothing from one that sleeps, so an idle look shows none.

What works without a break never waits to be woken either. The load here works for 0.1 ms and naps for 0.4 by turns, two
thousand times a second, as services and load generators at some hundred requests a second do: their cores fall asleep
in between, and how long the host takes to wake one counts as stolen (`wakefulness`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from loadlab.execute.activity import steal_ticks
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.wakefulness import KeptAwake

Ticks = Callable[[], tuple[int, int]]
_WORK_AND_NAP = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
end = time.monotonic() + float(sys.argv[2])
while (now := time.monotonic()) < end:
    while time.monotonic() < now + 0.0001:
        pass
    time.sleep(0.0004)
"""
_LEAVE_S = 5.0


def strained_steal_ratio(
    seconds: float, cores: Iterable[int] | None = None, ticks: Ticks = steal_ticks, *, is_kept_awake: bool = False
) -> float | None:
    """Let the cores work for so long and return the share of all processor time that the host took meanwhile.

    cores: one child at work on each; all that this process may use where None. is_kept_awake: they are kept from
    falling asleep meanwhile. The children end by themselves, also when this process does not live to see it. None where
    the kernel counts no ticks. Raises DeployError where the cores cannot be kept awake.
    """
    mine = frozenset(os.sched_getaffinity(0) if cores is None else cores)
    with _kept_awake(mine if is_kept_awake else frozenset()):
        stolen, total = ticks()
        _work(seconds, mine)
        stolen_later, total_later = ticks()
    return (stolen_later - stolen) / (total_later - total) if total_later > total else None


@contextmanager
def _kept_awake(cores: frozenset[int]) -> Iterator[None]:
    if not cores:
        yield
        return
    with TemporaryDirectory(prefix="loadlab-strain-") as logs, ChildProcesses() as children:
        KeptAwake(children, cores, Path(logs)).start()
        yield


def _work(seconds: float, cores: Iterable[int]) -> None:
    argv = [sys.executable, "-I", "-S", "-c", _WORK_AND_NAP]
    children = [subprocess.Popen([*argv, str(core), str(seconds)]) for core in cores]
    try:
        for child in children:
            child.wait(timeout=seconds + _LEAVE_S)
    finally:
        for child in children:
            child.kill()
            child.wait()
