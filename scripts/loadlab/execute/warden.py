"""Ends what the engine started when the engine ends without doing so itself (SIGKILL, crash).

PR_SET_PDEATHSIG reaches only direct children; grandchildren (gunicorn's and Locust's workers) are reached through
the process groups that this small process knows. It reads ``+PGID`` and ``-PGID`` lines from the engine; the end of
that stream means that the engine is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 2.0


def groups_left(lines: Iterable[str]) -> set[int]:
    """Process groups announced and not taken back by the end of the stream."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if sign == "+" and number.isdigit():
            groups.add(int(number))
        elif sign == "-" and number.isdigit():
            groups.discard(int(number))
    return groups


def end_groups(groups: set[int], grace_s: float = GRACE_S) -> None:
    """SIGTERM to all, then SIGKILL to what is left after grace_s."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)
        deadline = time.monotonic() + grace_s
        while number == signal.SIGTERM and time.monotonic() < deadline and any(map(_alive, groups)):
            time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end_groups(groups_left(sys.stdin))
