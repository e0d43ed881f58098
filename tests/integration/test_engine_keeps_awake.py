"""A run that keeps idle cores awake: real processes of the lowest priority, watched, started again, ended with it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine_process import BRIEF, Engine
from loadlab.execute import awake
from loadlab.execute.machine import Machine

pytestmark = pytest.mark.skipif(
    (Machine().cpu_quota_cores() or math.inf) < len(os.sched_getaffinity(0)), reason="a quota would be used up"
)
Start = Callable[..., Engine]
EXPERIMENT = """
id = "awake"
question = "What does one user get?"
[[stack]]
name = "fastapi"
service = "fastapi_uvicorn"
[upstream]
latency = "constant(20ms)"
[load]
kind = "closed"
scenario = "io_bound.IoBoundUser"
users = [1, 2, 3]
[window]
warmup_s = 0.2
measure_s = 0.6
keep_awake = true
[blocks]
count = 2
[[price]]
list = "aws-fargate-x86"
billing = "provisioned"
"""


def _begin(start: Start, folder: Path) -> Engine:
    path = folder / "awake.toml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return start(str(path), prelude=BRIEF)


def _awake(engine: Engine) -> list[psutil.Process]:
    """Those that keep cores awake, their guardians left out."""
    found = []
    for process in engine.tree():
        try:
            if process.cmdline()[-1:] == [awake.__file__] and "-S" in process.cmdline()[:3]:
                found.append(process)
        except psutil.Error:
            continue
    return [each for each in found if "guardian.py" not in " ".join(each.cmdline())]


def test_one_that_is_killed_is_told_of_and_started_again_and_the_run_is_whole(start: Start, tmp_path: Path) -> None:
    engine = _begin(start, tmp_path)
    engine.until_event("window_finished")
    before = _awake(engine)
    assert {os.sched_getscheduler(each.pid) for each in before} == {os.SCHED_IDLE}
    assert sorted(core for each in before for core in each.cpu_affinity()) == sorted(os.sched_getaffinity(0))
    before[0].kill()
    engine.until_event("stacks_restarted")
    assert engine.ended() in (0, 4, 5), engine.output
    (told,) = [event["reason"] for event in engine.events() if event["event"] == "stacks_restarted"]
    assert [line.split(" ")[0][:6] for line in told] == ["awake-"]
    data, results = engine.measured(), engine.results()
    assert data.complete
    assert data.provenance.isolation_detail.endswith("; idle cores kept awake")
    assert results["experiment"]["keep_awake"] is True
    assert engine.orphans() == []


def test_they_do_not_outlive_an_engine_that_is_killed(start: Start, tmp_path: Path) -> None:
    engine = _begin(start, tmp_path)
    engine.until_event("block_started")
    engine.until(lambda: len(_awake(engine)) == len(os.sched_getaffinity(0)), "core that is kept awake")
    engine.process.kill()
    engine.ended()
    assert engine.orphans() == []
