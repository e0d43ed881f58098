"""The draw itself, and the clean run that all cases share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine_process import bundle_in
from faults.cases import DISK_BYTES, PROCESSES, SIGNALS, Victim, draw
from faults.clean_run import made_once, milestones
from faults.strike import IS


def test_forty_cases_hit_every_process_with_every_signal_and_the_disk_and_the_clock() -> None:
    hit = {(fault.victim, fault.blow) for fault in draw(40, 1)}
    assert hit == {*((p, s) for p in PROCESSES for s in SIGNALS), ("disk", "full"), ("clock", "moved")}
    assert [fault.after_ratio == 1.0 for fault in draw(40, 1) if fault.victim == "disk"] == [False, True]


def test_the_same_seed_draws_the_same_and_another_one_other_moments() -> None:
    assert draw(40, 1) == draw(300, 1)[:40]
    assert [f.after_ratio for f in draw(40, 1)] != [f.after_ratio for f in draw(40, 2)]


def test_every_second_round_strikes_engine_and_disk_at_the_end_and_disks_are_full_at_other_sizes() -> None:
    cases = draw(300, 1)
    late = {(fault.victim, fault.number // 23 % 2) for fault in cases if fault.after_ratio == 1.0}
    assert late == {("engine", 1), ("disk", 1)}
    assert {fault.disk_bytes for fault in cases if fault.victim == "disk"} == set(DISK_BYTES)


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


@dataclass(frozen=True, kw_only=True)
class Process:
    """As psutil tells of one."""

    words: str
    below: Process | None = None

    def cmdline(self) -> list[str]:
        return self.words.split()

    def parent(self) -> Process | None:
        return self.below


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        ("locust worker", "-m locust -f io_bound.py --worker"),
        ("locust master", "-m locust -f io_bound.py --master"),
        ("gunicorn parent", "-m flask_gunicorn"),
        ("uvicorn", "-m fastapi_uvicorn"),
        ("upstream", "-m upstream"),
    ],
)
def test_the_victim_is_what_was_started_and_neither_its_guardian_nor_a_neighbour(victim: Victim, words: str) -> None:
    python = "/home/me/loadlab/.venv/bin/python"
    engine = Process(words=f"{python} loadlab run fault.toml")
    guardian = Process(
        words=f"{python} -I -S /home/me/loadlab/guardian.py child.py 0 -- {python} {words}", below=engine
    )
    started = Process(words=f"{python} {words}", below=guardian)
    forked = Process(words=started.words, below=started)
    tree = [engine, guardian, started]
    assert [one for one in tree if IS[victim](one)] == [started]
    assert [one for one in (*tree, forked) if IS["gunicorn child"](one)] == [forked] * (victim == "gunicorn parent")
    assert sum(is_victim(started) for is_victim in IS.values()) == 1


def test_a_folder_that_a_killed_run_left_before_it_was_a_bundle_is_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("fault-2", "fault-1", "fault-3"):
        (tmp_path / name).mkdir()
    (tmp_path / "latest").symlink_to("fault-3")
    assert bundle_in(tmp_path).name == "fault-3"
    (tmp_path / "fault-2" / "experiment.toml").touch()
    assert bundle_in(tmp_path).name == "fault-2"
