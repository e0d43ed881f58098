"""What the host takes when this machine is busy: it takes nothing from one that sleeps, so an idle look shows none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable

from loadlab.execute.activity import steal_ticks

Ticks = Callable[[], tuple[int, int]]
_BURN = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    pass
"""
_LEAVE_S = 5.0


def strained_steal_ratio(
    seconds: float, cores: Iterable[int] | None = None, ticks: Ticks = steal_ticks
) -> float | None:
    """Keep the cores busy for so long and return the share of all processor time that the host took meanwhile.

    cores: one busy child on each; all that this process may use where None. The children end by themselves, also when
    this process does not live to see it. None where the kernel counts no ticks.
    """
    stolen, total = ticks()
    _burn(seconds, os.sched_getaffinity(0) if cores is None else cores)
    stolen_later, total_later = ticks()
    return (stolen_later - stolen) / (total_later - total) if total_later > total else None


def _burn(seconds: float, cores: Iterable[int]) -> None:
    children = [subprocess.Popen([sys.executable, "-I", "-S", "-c", _BURN, str(core), str(seconds)]) for core in cores]
    try:
        for child in children:
            child.wait(timeout=seconds + _LEAVE_S)
    finally:
        for child in children:
            child.kill()
            child.wait()
