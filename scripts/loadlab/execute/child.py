"""Launcher of one child process: ties it to its parent, pins it to cores, then becomes the command.

Run as a plain script (``python -I -S child.py PARENT_PID CPUS -- COMMAND ...``), before any import of weight,
so that no code runs between fork and exec in the engine itself. PR_SET_PDEATHSIG: prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(parent_pid: int, cpus: set[int], command: list[str]) -> None:
    """Replace this process by command; it gets SIGKILL when the parent ends. Does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: cannot be started: {error.strerror}")


if __name__ == "__main__":
    become(int(sys.argv[1]), {int(c) for c in sys.argv[2].split(",") if c}, sys.argv[4:])
