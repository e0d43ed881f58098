"""The experiment of the faults, and what an undisturbed run of it looks like."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_process import BRIEF

EXPERIMENT = Path(__file__).with_name("fault.toml")
CLOCK = "FAULT_CLOCK"
_REPEAT = re.compile(r"-r\d+$")
SWAPPED = "FAULT_SWAPPED"
PRELUDE = f"""{BRIEF}
import os, time
import loadlab.pipeline.local_rig as local_rig
from loadlab.execute.clock import SystemClock
from loadlab.execute.cores import Cores

split = local_rig.split_cores

def swapped(available, sut_cores):
    cores = split(available, sut_cores)
    return Cores(sut=cores.rest, rest=cores.sut) if len(cores.rest) == len(cores.sut) else cores

if os.environ["{SWAPPED}"] == "1":
    local_rig.split_cores = swapped
moved = os.environ["{CLOCK}"]

def unix_s(self):
    try:
        with open(moved) as jump:
            return time.time() + float(jump.read() or 0)
    except FileNotFoundError:
        return time.time()

SystemClock.unix_s = unix_s
"""
"""What these cases do not look at is measured briefly; the wall clock moves when a file says so.

Of two runs at once one has its stack on the first core and one on the last, where there are two.
"""


TRUE_UNDER, TRUE_OVER = 2, 8
"""The only levels of the experiment: the first is under the margin, the second over it."""
MILESTONES = ("run_started", "block_started", "window_finished", "block_spent", "block_finished", "run_finished")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clean:
    """What an undisturbed run of the experiment writes: so many milestones."""

    milestones: int


def milestones(events: Sequence[Mapping[str, Any]]) -> int:
    """How far a run is, counted in what every run writes: repeats and healings come as the machine's noise has it.

    Counted with them, a noisy clean run would have moments that no other run reaches.
    """
    return sum(e["event"] in MILESTONES and _REPEAT.search(str(e.get("window", ""))) is None for e in events)


def made_once(told: Path, make: Callable[[], int]) -> int:
    """What ``make`` says, made by the first process that asks; the others wait for it, and hear of its failure too.

    told: the file in which it is written down.

    Raises:
        AssertionError: it failed, here or in another process.
    """
    with told.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(_made(make), encoding="utf-8")
    said = told.read_text(encoding="utf-8")
    if not said.isdecimal():
        raise AssertionError(f"the clean run that all cases are compared with failed: {said}")
    return int(said)


def _made(make: Callable[[], int]) -> str:
    try:
        return str(make())
    except Exception as error:  # noqa: BLE001 - whatever it is, the others must hear of it
        return f"{type(error).__name__}: {error}"
