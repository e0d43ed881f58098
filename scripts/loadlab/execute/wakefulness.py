"""Idle cores that do not fall asleep, so that no window waits for the host to wake one.

A virtual machine gives an idle core back to its host. When something is to run on it, the host has to bring it back,
and the wait counts as stolen time, though nobody else wanted the core. A service that waits for its upstream, and the
generator that waits for the service, sleep and wake thousands of times a second. A process of the lowest priority on
each core keeps the host from taking it (`awake.py`), as idle=poll does for whoever owns the machine. ADR 23 has what
that changes in the figures.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadlab.errors import DeployError, UsageError
from loadlab.execute import awake
from loadlab.execute.processes import Child, ChildProcesses, Command
from loadlab.units import format_cores

START_S, START_OF_EACH_S = 10.0, 0.2
"""How long all and each may take to come to work; a kernel with groups lets ten begin in a second."""
POLL_S = 0.02
AWAKE = "idle cores kept awake"


def check_quota(asked_by: str, cores: int, quota_cores: float | None) -> None:
    """Raise UsageError where a control group counts what keeps cores awake against what the run may use.

    asked_by: what asks for it, for the message. quota_cores: None where there is no quota.
    """
    if quota_cores is not None and quota_cores < cores:
        raise UsageError(
            f"{asked_by}: a control group lets {format_cores(quota_cores)} be used and there are {cores} to keep "
            "awake, which would use it up and throttle what is measured; leave it out, or raise the quota"
        )


class KeptAwake:
    """One process for each core, at work with the lowest priority; ended with the children that it is among."""

    def __init__(self, children: ChildProcesses, cores: frozenset[int], logs: Path) -> None:
        self._children = children
        self._cores = sorted(cores)
        self._logs = logs
        self._by_core: dict[int, Child] = {}

    def start(self) -> None:
        """Start those that do not run, and wait until they are at work.

        Raises:
            DeployError: one does not come to work, such as where the system has no such priority.
        """
        for core in self._cores:
            if core in self._by_core and self._by_core[core].exit_code() is not None:
                self._children.end([self._by_core.pop(core)], 0.0)
            if core not in self._by_core:
                self._by_core[core] = self._children.start(_command(core, self._logs))
        patience_s = START_S + len(self._cores) * START_OF_EACH_S
        deadline_s = time.monotonic() + patience_s
        for child in self._by_core.values():
            while not _is_at_work(child):
                if time.monotonic() > deadline_s:
                    raise DeployError(f"{child.name}: not at work after {patience_s:g} s{child.log_tail()}; run again")
                time.sleep(POLL_S)

    def check(self) -> None:
        """Raise DeployError where one has ended by itself: what was measured since then was measured otherwise."""
        if fallen := self.fallen():
            raise DeployError(f"{fallen[0]}; measure again")

    def fallen(self) -> Sequence[str]:
        """What has ended by itself."""
        return [line for child in self._by_core.values() if (line := child.fell())]

    def pids(self) -> Mapping[int, int]:
        """Core to process."""
        return {core: child.pid for core, child in self._by_core.items()}


def _command(core: int, logs: Path) -> Command:
    name = f"awake-{core}"
    argv = [sys.executable, "-I", "-S", awake.__file__]
    return Command(name=name, argv=argv, env={}, cpus=frozenset({core}), log=logs / f"{name}.log")


def _is_at_work(child: Child) -> bool:
    """Raises DeployError where it has ended."""
    if fell := child.fell():
        raise DeployError(f"{fell}; measure without keeping cores awake")
    try:
        return os.sched_getscheduler(child.pid) == os.SCHED_IDLE
    except ProcessLookupError:
        return False
