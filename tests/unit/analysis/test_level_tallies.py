"""No level vanishes: each is told with how many windows it had, how many count, and what the others failed."""

from __future__ import annotations

from dataclasses import replace

from builders_stats import goodput_experiment, level, make_run, make_windows
from loadlab.analysis.level_tallies import level_tallies
from loadlab.analysis.summarise import judge

STACKS = ("pool", "loop")


def test_a_level_without_a_window_that_counts_is_there_with_its_reasons() -> None:
    windows = make_windows(level(1.0), levels=(30, 40), blocks=4)
    spoilt = tuple(replace(w, notes=("the service died",)) if w.users == 40 else w for w in windows)
    judged = judge(make_run(spoilt), goodput_experiment())
    found = {(row.users, row.stack): row for row in level_tallies((30, 40, 50), STACKS, judged.windows, (40,))}
    assert list(found) == [(users, stack) for users in (30, 40, 50) for stack in STACKS]
    assert [(found[30, s].windows, found[30, s].used, dict(found[30, s].reasons)) for s in STACKS] == [(4, 4, {})] * 2
    assert [(found[40, s].used, dict(found[40, s].reasons)) for s in STACKS] == [(0, {"note": 4})] * 2
    assert [found[50, s].windows for s in STACKS] == [0, 0]
    assert {users for (users, _), row in found.items() if row.invalid} == {40}


def test_windows_of_the_control_belong_to_no_level() -> None:
    windows = make_windows(level(1.0), levels=(30,), blocks=4)
    judged = judge(make_run(windows), goodput_experiment())
    assert any(window.role == "aa" for window in judged.windows)
    assert {row.windows for row in level_tallies((30,), STACKS, judged.windows, ())} == {4}
