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
from collections.abc import Sequence
from pathlib import Path

from loadlab.errors import DeployError, UsageError
from loadlab.execute import awake
from loadlab.execute.processes import Child, ChildProcesses, Command
from loadlab.units import format_cores

START_S = 10.0
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


def keep_awake(children: ChildProcesses, cores: frozenset[int], logs: Path) -> Sequence[Child]:
    """One process for each core, at work with the lowest priority from now until it is ended with the children.

    Raises:
        DeployError: one does not come to work, such as where the system has no such priority.
    """
    started = [children.start(_command(core, logs)) for core in sorted(cores)]
    deadline_s = time.monotonic() + START_S
    for child in started:
        while not _is_at_work(child):
            if time.monotonic() > deadline_s:
                raise DeployError(f"{child.name}: not at work after {START_S:g} s{child.log_tail()}; run again")
            time.sleep(POLL_S)
    return started


def _command(core: int, logs: Path) -> Command:
    name = f"awake-{core}"
    argv = [sys.executable, "-I", "-S", awake.__file__]
    return Command(name=name, argv=argv, env={}, cpus=frozenset({core}), log=logs / f"{name}.log")


def _is_at_work(child: Child) -> bool:
    """Raises DeployError where it has ended."""
    if fell := child.fell():
        raise DeployError(f"{fell}; leave window.keep_awake out")
    try:
        return os.sched_getscheduler(child.pid) == os.SCHED_IDLE
    except ProcessLookupError:
        return False
