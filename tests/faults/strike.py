"""Hitting a process of a run: found in the engine's own tree, by what it is."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from engine_process import Engine
from faults.cases import Fault, Victim

STOPPED_S = 3.0
Test = Callable[[psutil.Process], bool]


def _says(process: psutil.Process, word: str) -> bool:
    return any(word in part for part in process.cmdline())


def _is_gunicorn(process: psutil.Process | None) -> bool:
    return process is not None and _says(process, "gunicorn") and not _says(process, "loadlab")


IS: Mapping[Victim, Test] = {
    "locust worker": lambda p: "--worker" in p.cmdline(),
    "locust master": lambda p: "--master" in p.cmdline(),
    "gunicorn parent": lambda p: _is_gunicorn(p) and not _is_gunicorn(p.parent()),
    "gunicorn child": lambda p: _is_gunicorn(p) and _is_gunicorn(p.parent()),
    "uvicorn": lambda p: _says(p, "fastapi_uvicorn"),
    "upstream": lambda p: p.name() != "sh" and _says(p, "upstream") and not _is_gunicorn(p),
}


def strike(engine: Engine, fault: Fault, clock: Path) -> bool:
    """Do it; False where the run ended before its victim was there to be hit."""
    if fault.victim == "disk":
        psutil.Process(engine.process.pid).rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
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
