"""The draw itself, and the clean run that all cases share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faults.cases import PROCESSES, SIGNALS, draw
from faults.clean_run import made_once, milestones


def test_forty_cases_hit_every_process_with_every_signal_and_the_disk_and_the_clock() -> None:
    hit = {(fault.victim, fault.blow) for fault in draw(40, 1)}
    assert hit == {*((p, s) for p in PROCESSES for s in SIGNALS), ("disk", "full"), ("clock", "moved")}


def test_the_same_seed_draws_the_same_and_another_one_other_moments() -> None:
    assert draw(40, 1) == draw(300, 1)[:40]
    assert [f.after_ratio for f in draw(40, 1)] != [f.after_ratio for f in draw(40, 2)]


def test_the_clean_run_is_made_once_and_told_to_all(tmp_path: Path) -> None:
    answers = iter([17])
    assert [made_once(tmp_path / "clean.events", lambda: next(answers)) for _ in range(3)] == [17] * 3


def test_a_clean_run_that_failed_is_told_to_all_who_ask_and_not_tried_again(tmp_path: Path) -> None:
    tried: list[int] = []

    def fails() -> int:
        tried.append(1)
        raise FileNotFoundError("no upstream")

    for _ in range(3):
        with pytest.raises(AssertionError, match="compared with failed: FileNotFoundError: no upstream"):
            made_once(tmp_path / "clean.events", fails)
    assert tried == [1]


def test_repeats_and_healings_of_a_noisy_run_are_no_milestones() -> None:
    told: list[dict[str, Any]] = [
        {"event": "run_started"},
        {"event": "block_started", "block": 1},
        {"event": "window_finished", "window": "b01-002-flask"},
        {"event": "window_finished", "window": "b01-002-flask-aa"},
        {"event": "window_finished", "window": "b01-002-flask-r1"},
        {"event": "window_finished", "window": "b01-002-flask-aa-r2"},
        {"event": "generator_healed"},
        {"event": "block_finished", "block": 1},
    ]
    assert milestones(told) == 5
