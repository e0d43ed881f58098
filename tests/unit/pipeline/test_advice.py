"""Somebody whose host spoils a run is told, once and early, what may end that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from builders import make_experiment
from loadlab.errors import Interrupted
from loadlab.execute.ports import Isolation
from loadlab.pipeline import advice
from loadlab.pipeline.advice import decided
from simulated import SimulatedDeployer
from simulated_lab import Lab, Watcher, make_lab

SAID = "the host took too much processor time in "


def _lab(folder: Path, *, stolen: int, keep_awake: bool = False, block: int = 1) -> Lab:
    """From so many planned windows of a block the host takes time, in each of their tries."""
    experiment = make_experiment()
    lab = make_lab(replace(experiment, window=replace(experiment.window, keep_awake=keep_awake)), folder / "unit-run")
    levels = experiment.load.users  # type: ignore[union-attr]
    assert levels is not None
    names = [f"b{block:02d}-{users:03d}-{stack.name}" for users in levels for stack in experiment.stacks]
    lab.world.stolen.update(dict.fromkeys(names[:stolen], 4))
    return lab


def _said(lab: Lab) -> list[str]:
    lab.run()
    return [message for message in lab.watcher.messages if message.startswith(SAID)]


@pytest.mark.parametrize(
    ("asked", "target", "looks", "kept"),
    [
        ("auto", "local", (0.02, 0.001), True),
        ("auto", "local", (0.02, 0.015), False),
        ("auto", "local", (0.001, None), False),
        ("auto", "local", (None, None), False),
        ("auto", "kubernetes", (0.02, 0.001), False),
        (True, "local", (0.001, None), True),
        (False, "local", (0.02, 0.001), False),
    ],
)
def test_what_is_left_to_the_run_is_decided_by_a_look_at_the_cores(
    monkeypatch: pytest.MonkeyPatch,
    asked: bool | Literal["auto"],
    target: str,
    looks: tuple[float | None, float | None],
    kept: bool,
) -> None:
    monkeypatch.setattr(advice, "steal_ratios", lambda *_: looks)
    experiment, watcher = make_experiment(), Watcher()
    made = decided(replace(experiment, window=replace(experiment.window, keep_awake=asked)), target, watcher)
    assert made.window.keep_awake is kept
    assert made.window == replace(experiment.window, keep_awake=kept)
    said = [message for message in watcher.messages if message.startswith("the host takes 2.0 % of the processor time")]
    assert len(said) == (asked == "auto" and kept)


def test_an_interrupt_while_it_looks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(advice, "steal_ratios", interrupted)
    experiment = make_experiment()
    asked = replace(experiment, window=replace(experiment.window, keep_awake="auto"))
    with pytest.raises(Interrupted, match="interrupted; nothing was measured yet"):
        decided(asked, "local", Watcher())


def test_it_is_told_once_after_the_first_block(tmp_path: Path) -> None:
    lab = _lab(tmp_path, stolen=4)
    lab.world.stolen.update({name.replace("b01", "b02"): 4 for name in lab.world.stolen})
    (said,) = _said(lab)
    assert "windows of the first block" in said
    assert "`.venv/bin/loadlab doctor`" in said
    assert said.endswith("a run with --set window.keep_awake=true is over sooner")
    at = lab.watcher.messages.index(said)
    assert any("block 2" in later for later in lab.watcher.messages[at:])
    assert not any("block 2" in before for before in lab.watcher.messages[:at])


@pytest.mark.parametrize(
    ("stolen", "keep_awake", "block"), [(0, False, 1), (4, True, 1), (4, False, 2)], ids=["quiet", "awake", "later"]
)
def test_it_is_not_told_where_it_would_not_help(tmp_path: Path, stolen: int, block: int, *, keep_awake: bool) -> None:
    assert _said(_lab(tmp_path, stolen=stolen, keep_awake=keep_awake, block=block)) == []


def test_it_is_not_told_on_a_cluster_where_it_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedDeployer, "isolation", lambda _: Isolation(level="quota", detail="nodes"))
    assert _said(_lab(tmp_path, stolen=4)) == []
