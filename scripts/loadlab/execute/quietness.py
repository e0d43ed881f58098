"""How quiet a core is and how good its clock and timers are. As a script: one core's figures as JSON.

Run as a plain script (``python -I -S quietness.py CORE SECONDS``), so that nothing but this runs in the process.
The first half of the time it only reads CLOCK_MONOTONIC: whatever keeps it from doing so for longer than 50 us
(interrupts, other processes, other virtual machines) would keep a service or a generator from its work. The second
half it sleeps for a millisecond again and again and notes how late it wakes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

PAUSE_NS = 50_000
SLEEP_NS = 1_000_000
MARGIN_S = 20.0


def watch_clock(seconds: float) -> dict[str, float]:
    """Read the clock for so long: the cost of a reading, its smallest step, and the pauses."""
    clock = time.monotonic_ns
    begun = before = clock()
    ends, readings = begun + round(seconds * 1e9), 0
    least, longest, paused = ends, 0, 0
    while before < ends:
        now = clock()
        step = now - before
        readings += 1
        if 0 < step < least:
            least = step
        if step > PAUSE_NS:
            paused += step
            longest = max(longest, step)
        before = now
    return {
        "clock_read_s": (before - begun) / readings / 1e9,
        "clock_step_s": least / 1e9,
        "paused_ratio": paused / (before - begun),
        "longest_pause_s": longest / 1e9,
    }


def watch_sleep(seconds: float) -> dict[str, float]:
    """Sleep for a millisecond again and again: how late the wake-ups are."""
    clock, late = time.monotonic_ns, list[int]()
    ends = clock() + round(seconds * 1e9)
    while (now := clock()) < ends:
        time.sleep(SLEEP_NS / 1e9)
        late.append(clock() - now - SLEEP_NS)
    late.sort()
    return {
        "sleep_late_p50_s": late[len(late) // 2] / 1e9,
        "sleep_late_p99_s": late[min(len(late) - 1, int(0.99 * len(late)))] / 1e9,
    }


def watch_cores(cores: frozenset[int], seconds: float) -> Mapping[int, Mapping[str, float]]:
    """The figures of several cores, watched at the same time."""
    argv = [sys.executable, "-I", "-S", __file__]
    started = {
        core: subprocess.Popen([*argv, str(core), str(seconds)], stdout=subprocess.PIPE) for core in sorted(cores)
    }
    try:
        return {core: json.loads(one.communicate(timeout=seconds + MARGIN_S)[0]) for core, one in started.items()}
    finally:
        for one in started.values():
            one.kill()
            one.wait()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    half_s = float(sys.argv[2]) / 2
    print(json.dumps(watch_clock(half_s) | watch_sleep(half_s)))
