"""Hitting a process of a run: found in the engine's own tree, by what it is."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import psutil

from engine_process import Engine
from faults.cases import Fault, Victim

STOPPED_S = 3.0
GUARDS = ("guardian.py", "child.py")
"""What starts every child, with the child's own words behind it."""


class Listed(Protocol):
    """What is asked of a process, as psutil tells it."""

    def cmdline(self) -> list[str]: ...
    def parent(self) -> Listed | None: ...


Test = Callable[[Listed], bool]


def _says(process: Listed | None, word: str) -> bool:
    """Whether a word is among its own arguments; of a guard, which has those of another, none is."""
    words = process.cmdline()[1:] if process is not None else []
    return word in words and not any(part.endswith(GUARDS) for part in words)


IS: Mapping[Victim, Test] = {
    "locust worker": lambda p: _says(p, "--worker"),
    "locust master": lambda p: _says(p, "--master"),
    "gunicorn parent": lambda p: _says(p, "flask_gunicorn") and not _says(p.parent(), "flask_gunicorn"),
    "gunicorn child": lambda p: _says(p, "flask_gunicorn") and _says(p.parent(), "flask_gunicorn"),
    "uvicorn": lambda p: _says(p, "fastapi_uvicorn"),
    "upstream": lambda p: _says(p, "upstream"),
}


def strike(engine: Engine, fault: Fault, clock: Path) -> bool:
    """Do it; False where the run ended before its victim was there to be hit."""
    if fault.victim == "disk":
        psutil.Process(engine.process.pid).rlimit(psutil.RLIMIT_FSIZE, (fault.disk_bytes, psutil.RLIM_INFINITY))
        return True
    if fault.victim == "clock":
        clock.write_text(str(fault.clock_s), encoding="utf-8")
        return True
    victim = _found(engine, fault.victim)
    if victim is None:
        return False
    try:
        _blow(victim, fault)
    except psutil.NoSuchProcess:
        return False
    return True


def _blow(victim: psutil.Process, fault: Fault) -> None:
    if fault.blow == "SIGKILL":
        victim.kill()
    elif fault.blow == "SIGTERM":
        victim.terminate()
    else:
        victim.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        victim.send_signal(signal.SIGCONT)


def _found(engine: Engine, victim: Victim) -> psutil.Process | None:
    """Stacks are started anew for every block: wait until one is there."""
    while engine.process.poll() is None:
        if victim == "engine":
            return psutil.Process(engine.process.pid)
        for process in engine.tree():
            try:
                if IS[victim](process):
                    return process
            except psutil.Error:
                continue
        time.sleep(0.05)
    return None
