"""Keeps one core awake: works whenever nothing else wants it.

Run as a plain script (``python -I -S awake.py``) by the launcher, which pins it and ends it with the engine.

SCHED_IDLE (sched(7)) is below every nice value, among the processes of one scheduling group. Where the kernel makes a
group of each session (autogroup, sched(7)), groups share a core by their own nice values whatever is in them: without
the lowest one for its group this process took a third of a core that a load generator wanted whole (ADR 23); with it,
it gets 15 parts to the other's 1024. Its own nice value makes the kernel book its time as nice, apart from user time.

The work is a chain of divisions, each of which waits for the one before: it keeps a core busy and uses little of what
that shares with a neighbour on the same physical core.
"""

from __future__ import annotations

import os
import sys
import time
from errno import EAGAIN
from pathlib import Path

LOWEST_NICE = 19
GROUP = Path("/proc/self/autogroup")
PAUSE_S = 0.11
"""The kernel lets groups be changed ten times a second, all groups together, unless root asks."""
NUMBER = 1 << 7679
"""Of 256 digits of CPython: a kilobyte, which stays in the nearest cache."""


def stay_awake() -> None:
    """Work until killed; SystemExit with one line where this system has no such priority."""
    try:
        if os.getsid(0) != os.getpid():
            os.setsid()
        _lower_group()
        os.nice(LOWEST_NICE)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (OSError, AttributeError) as error:
        sys.exit(f"the lowest priority cannot be had: {error}")
    number = NUMBER
    while True:
        number % 7


def _lower_group(group: Path = GROUP) -> None:
    """The lowest priority for the session's group, where the kernel has such groups; as often as it takes.

    Raises OSError for what will not change. Whoever started this one waits only so long (`wakefulness.START_S`).
    """
    while True:
        try:
            group.write_text(str(LOWEST_NICE))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != EAGAIN:
                raise
            time.sleep(PAUSE_S)
        else:
            return


if __name__ == "__main__":
    stay_awake()
