"""The load generator is told of levels what the report counts, of earlier parts of a resumed run too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from builders import make_experiment
from loadlab.analysis.billing import make_tariffs
from loadlab.analysis.summarise import judge
from loadlab.config.prices import PRICES_FOLDER, load_price_lists
from loadlab.execute.store import BundleStore
from loadlab.pipeline.level_board import LevelBoard, measured_levels
from loadlab.pipeline.session import run_session
from simulated_lab import Lab, make_lab


class _ToldLab(Lab):
    """A lab whose levels are told, as `loadlab run` sets it up."""

    def levels(self, store: BundleStore) -> LevelBoard:
        """Of what its bundle holds."""
        tariffs = make_tariffs(self.experiment.prices, load_price_lists(PRICES_FOLDER), self.experiment.resources)
        return measured_levels(self.experiment, store.load(), tariffs)

    def run(self) -> None:
        with self.opened() as store:
            run_session(replace(self.rig(store), levels=self.levels(store)), store.progress())


@pytest.fixture
def told_lab(tmp_path: Path) -> _ToldLab:
    made = make_lab(make_experiment(), tmp_path / "unit-run")
    return _ToldLab(experiment=made.experiment, folder=made.folder, world=made.world)


def _rows(phase: Mapping[str, object]) -> dict[tuple[str, int], Mapping[str, Any]]:
    rows: Any = phase["levels"]
    return {(row["stack"], row["users"]): row for row in rows}


def _counted(lab: _ToldLab) -> dict[tuple[str, int], int]:
    with lab.opened() as store:
        used = [w for w in judge(store.load(), lab.experiment).windows if w.used]
    return {key: sum(w.good for w in used if (w.stack, w.users) == key) for key in {(w.stack, w.users) for w in used}}


def _windows(told: Sequence[Mapping[str, object]]) -> list[int]:
    return [sum(row["windows"] + row["left_out"] for row in _rows(phase).values()) for phase in told]


def test_at_the_end_of_a_run_the_levels_are_those_of_the_report(told_lab: _ToldLab) -> None:
    told_lab.run()
    last = _rows(told_lab.world.told[-1])
    assert {key: row["good"] for key, row in last.items()} == _counted(told_lab)
    assert all(row["billed"] for row in last.values())


def test_a_level_grows_window_by_window_and_is_told_with_every_phase(told_lab: _ToldLab) -> None:
    told_lab.run()
    counts = _windows(told_lab.world.told)
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert {b - a for a, b in pairwise(counts)} == {0, 1}


def test_a_run_that_goes_on_knows_the_levels_of_its_finished_blocks(told_lab: _ToldLab) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    told_lab.world.during["b02-010-pool"] = stop
    with pytest.raises(KeyboardInterrupt):
        told_lab.run()
    before = _rows(told_lab.world.told[-1])
    assert before, "what was measured is told to the end"
    told_lab.world.during.clear()
    told_lab.world.told.clear()
    told_lab.run()
    first = _rows(told_lab.world.told[0])
    assert {row["windows"] for row in first.values()} == {1}, "the first block"
    assert {key: row["good"] for key, row in _rows(told_lab.world.told[-1]).items()} == _counted(told_lab)


def test_a_board_without_rules_tells_nothing(lab: Lab) -> None:
    lab.run()
    assert all(phase["levels"] == () for phase in lab.world.told if "levels" in phase)
