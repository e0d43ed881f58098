"""The experiment of the faults, and what an undisturbed run of it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine_process import BRIEF

EXPERIMENT = Path(__file__).with_name("fault.toml")
CLOCK = "FAULT_CLOCK"
PRELUDE = f"""{BRIEF}
import os, time
from loadlab.execute.clock import SystemClock
moved = os.environ["{CLOCK}"]

def unix_s(self):
    try:
        with open(moved) as jump:
            return time.time() + float(jump.read() or 0)
    except FileNotFoundError:
        return time.time()

SystemClock.unix_s = unix_s
"""
"""What these cases do not look at is measured briefly; the wall clock moves when a file says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clean:
    """What an undisturbed run of the experiment writes."""

    events: int
    verdict: str
