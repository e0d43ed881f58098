"""The bench of a calibration for runs that keep idle cores awake: they are, and what ends meanwhile is told."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import psutil
import pytest

from loadlab.errors import DeployError
from loadlab.execute.machine import Machine
from loadlab.pipeline.calibrate import open_bench
from loadlab.pipeline.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    (Machine().cpu_quota_cores() or math.inf) < len(os.sched_getaffinity(0)), reason="a quota would be used up"
)


def test_cores_are_kept_awake_while_that_bench_is_open_and_what_ends_meanwhile_is_told(tmp_path: Path) -> None:
    layout, cores = Layout(root=ROOT, runs=tmp_path), len(os.sched_getaffinity(0))
    with open_bench(layout, awake=True):
        kept = _kept_awake()
        assert len(kept) == cores
    assert not any(psutil.pid_exists(pid) for pid in kept)
    with pytest.raises(DeployError, match=r"awake-\d+ was killed by SIGKILL; its log is empty; measure again"):
        _open_and_kill_one(layout)


def _open_and_kill_one(layout: Layout) -> None:
    with open_bench(layout, awake=True):
        one = psutil.Process(_kept_awake()[0])
        guardian = one.parent()
        assert guardian is not None
        one.kill()
        deadline_s = time.monotonic() + 20.0
        while guardian.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline_s:
            time.sleep(0.02)


def _kept_awake() -> list[int]:
    """Those among the processes of this one that work at the lowest priority."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if os.sched_getscheduler(process.pid) == os.SCHED_IDLE and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found
