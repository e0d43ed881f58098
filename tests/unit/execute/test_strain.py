"""What the host takes shows under load alone: the look makes the load, on every core, and leaves nothing behind."""

from __future__ import annotations

import os
import resource

import psutil
import pytest

from loadlab.execute.strain import strained_steal_ratio
from loadlab.execute.wakefulness import KeptAwake


def _cpu_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("looks", "ratio"), [([(10, 1_000), (14, 1_200)], 0.02), ([(3, 9), (3, 9)], None), ([(0, 0), (0, 0)], None)]
)
def test_the_share_is_that_of_the_time_under_load(looks: list[tuple[int, int]], ratio: float | None) -> None:
    assert strained_steal_ratio(0.01, ticks=iter(looks).__next__) == ratio


def test_every_core_is_kept_busy_and_no_child_is_left() -> None:
    before_s, before = _cpu_s_of_children(), set(psutil.Process().children())
    cores = sorted(os.sched_getaffinity(0))
    found = strained_steal_ratio(0.4, cores)
    assert found is None or 0 <= found <= 1
    assert _cpu_s_of_children() - before_s > 0.05 * len(cores), "far less than half: other tests run beside this"
    assert set(psutil.Process().children()) == before


def test_cores_are_kept_awake_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[int]] = []
    monkeypatch.setattr(KeptAwake, "start", lambda self: kept.append(self._cores))
    core = min(os.sched_getaffinity(0))
    for is_kept_awake in (True, False):
        looks = iter([(0, 0), (1, 100)])
        assert strained_steal_ratio(0.01, [core], ticks=looks.__next__, is_kept_awake=is_kept_awake) == 0.01
    assert kept == [[core]]


def test_a_core_that_is_not_there_ends_the_look_and_not_the_program() -> None:
    assert strained_steal_ratio(0.01, [1_000_000], ticks=iter([(0, 0), (1, 100)]).__next__) == 0.01
