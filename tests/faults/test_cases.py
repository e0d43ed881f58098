"""The draw itself."""

from __future__ import annotations

from faults.cases import PROCESSES, SIGNALS, draw


def test_forty_cases_hit_every_process_with_every_signal_and_the_disk_and_the_clock() -> None:
    hit = {(fault.victim, fault.blow) for fault in draw(40, 1)}
    assert hit == {*((p, s) for p in PROCESSES for s in SIGNALS), ("disk", "full"), ("clock", "moved")}


def test_the_same_seed_draws_the_same_and_another_one_other_moments() -> None:
    assert draw(40, 1) == draw(300, 1)[:40]
    assert [f.after_ratio for f in draw(40, 1)] != [f.after_ratio for f in draw(40, 2)]
