"""Failed windows are repeated once, in whole pairs; what is still missing is counted."""

from __future__ import annotations

from dataclasses import replace

from builders_stats import ANSWERED, LOOP, POOL, goodput_experiment, level, make_windows, window_of
from loadlab.analysis.pairing import missing_by_level, resolve, too_many_missing
from loadlab.analysis.validity import needs_repeat
from loadlab.model.run import Window

EXPERIMENT = goodput_experiment()
BLOCK = make_windows(level(1.0), levels=(30, 36), blocks=1)


def _spoil(windows: tuple[Window, ...], *ids: str) -> tuple[Window, ...]:
    return tuple(replace(w, notes=("spoilt",)) if w.id in ids else w for w in windows)


def _again(window_id: str, windows: tuple[Window, ...]) -> Window:
    first = next(w for w in windows if w.id == window_id)
    repeat = window_of(first.block, first.stack, first.users, ANSWERED, "repeat", window_id)
    return replace(repeat, id=f"{window_id}-r1")


def _wanted(windows: tuple[Window, ...]) -> list[str]:
    return [trial.id for trial in needs_repeat(windows, EXPERIMENT)]


def test_a_block_of_valid_windows_needs_nothing() -> None:
    assert _wanted(BLOCK) == []


def test_the_whole_pair_of_a_failed_window_is_repeated_in_its_order() -> None:
    assert _wanted(_spoil(BLOCK, "b01-036-loop")) == ["b01-036-pool", "b01-036-loop"]


def test_a_failed_control_is_repeated_with_its_twin_and_leaves_the_sweep_alone() -> None:
    assert _wanted(_spoil(BLOCK, "b01-030-pool-aa")) == ["b01-030-pool", "b01-030-pool-aa"]


def test_a_failed_window_at_the_level_of_the_control_brings_both_pairs_back() -> None:
    assert _wanted(_spoil(BLOCK, "b01-030-pool")) == ["b01-030-pool", "b01-030-loop", "b01-030-pool-aa"]


def test_nothing_is_repeated_twice_even_when_the_repeat_fails() -> None:
    spoilt = _spoil(BLOCK, "b01-036-loop")
    repeats = (_again("b01-036-pool", spoilt), replace(_again("b01-036-loop", spoilt), notes=("again",)))
    assert _wanted((*spoilt, *repeats)) == []


def test_trials_to_repeat_are_originals_that_can_be_repeated() -> None:
    for trial in needs_repeat(_spoil(BLOCK, "b01-030-pool-aa"), EXPERIMENT):
        assert trial.repeats is None
        assert trial.role in ("sweep", "aa")


def test_repeats_replace_a_pair_and_are_never_mixed_with_originals() -> None:
    spoilt = _spoil(BLOCK, "b01-036-loop")
    run = (*spoilt, _again("b01-036-pool", spoilt), _again("b01-036-loop", spoilt))
    pairs = resolve(run, {w.id for w in run if not w.notes}, [POOL, LOOP])
    pair = next(p for p in pairs if p.users == 36)
    assert (pair.ids, pair.repeated) == (("b01-036-pool-r1", "b01-036-loop-r1"), True)


def test_a_pair_whose_repeat_failed_too_is_missing() -> None:
    spoilt = _spoil(BLOCK, "b01-036-loop")
    run = (*spoilt, _again("b01-036-pool", spoilt), replace(_again("b01-036-loop", spoilt), notes=("again",)))
    pairs = resolve(run, {w.id for w in run if not w.notes}, [POOL, LOOP])
    assert next(p for p in pairs if p.users == 36).ids is None
    assert missing_by_level(pairs) == {30: (0, 1), 36: (1, 1)}


def test_a_valid_pair_stays_with_its_originals_when_the_control_brought_one_back() -> None:
    spoilt = _spoil(BLOCK, "b01-030-pool-aa")
    run = (*spoilt, _again("b01-030-pool", spoilt), _again("b01-030-pool-aa", spoilt))
    pairs = resolve(run, {w.id for w in run if not w.notes}, [POOL, LOOP])
    sweep = next(p for p in pairs if p.users == 30 and p.kind == "sweep")
    control = next(p for p in pairs if p.kind == "aa")
    assert (sweep.ids, sweep.repeated) == (("b01-030-pool", "b01-030-loop"), False)
    assert (control.ids, control.repeated) == (("b01-030-pool-r1", "b01-030-pool-aa-r1"), True)


def test_a_window_that_was_never_measured_leaves_its_pair_missing() -> None:
    rest = tuple(w for w in BLOCK if w.id != "b01-036-loop")
    pairs = resolve(rest, {w.id for w in rest}, [POOL, LOOP])
    assert next(p for p in pairs if p.users == 36).ids is None


def test_a_quarter_of_the_pairs_may_be_missing_and_not_one_more() -> None:
    assert not too_many_missing(2, 8)
    assert too_many_missing(3, 8)
    assert not too_many_missing(1, 4)
    assert too_many_missing(2, 6)
    assert too_many_missing(0, 0)
