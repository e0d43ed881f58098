"""Failed windows are repeated in whole pairs, once or while the host spoils them; what is missing is counted."""

from __future__ import annotations

from dataclasses import replace

from builders_stats import ANSWERED, LOOP, POOL, goodput_experiment, level, make_windows, window_of
from loadlab.analysis.pairing import missing_by_level, resolve, too_many_missing
from loadlab.analysis.repeats import needs_repeat
from loadlab.model.run import Window

EXPERIMENT = goodput_experiment()
BLOCK = make_windows(level(1.0), levels=(30, 36), blocks=1)


def _spoil(windows: tuple[Window, ...], *ids: str) -> tuple[Window, ...]:
    return tuple(replace(w, notes=("spoilt",)) if w.id in ids else w for w in windows)


def _stolen(windows: tuple[Window, ...], *ids: str) -> tuple[Window, ...]:
    health = {w.id: replace(w.load.health, steal_ratio=0.05) for w in windows if w.id in ids}
    return tuple(replace(w, load=replace(w.load, health=health[w.id])) if w.id in ids else w for w in windows)


def _again(window_id: str, windows: tuple[Window, ...], number: int = 1) -> Window:
    first = next(w for w in windows if w.id == window_id)
    repeat = window_of(first.block, first.stack, first.users, ANSWERED, "repeat", window_id)
    return replace(repeat, id=f"{window_id}-r{number}")


def _wanted(windows: tuple[Window, ...]) -> list[str]:
    wanted = needs_repeat(windows, EXPERIMENT)
    assert wanted <= {w.id for w in windows if w.repeats is None}, "repeats are never repeated themselves"
    return [w.id for w in windows if w.id in wanted]


def test_a_block_of_valid_windows_needs_nothing() -> None:
    assert _wanted(BLOCK) == []


def test_the_whole_pair_of_a_failed_window_is_repeated() -> None:
    assert _wanted(_spoil(BLOCK, "b01-036-loop")) == ["b01-036-pool", "b01-036-loop"]


def test_a_failed_control_is_repeated_with_its_twin_and_leaves_the_sweep_alone() -> None:
    assert _wanted(_spoil(BLOCK, "b01-030-pool-aa")) == ["b01-030-pool", "b01-030-pool-aa"]


def test_a_failed_window_at_the_level_of_the_control_brings_both_pairs_back() -> None:
    assert _wanted(_spoil(BLOCK, "b01-030-pool")) == ["b01-030-pool", "b01-030-loop", "b01-030-pool-aa"]


def test_nothing_is_repeated_twice_even_when_the_repeat_fails() -> None:
    spoilt = _spoil(BLOCK, "b01-036-loop")
    repeats = (_again("b01-036-pool", spoilt), replace(_again("b01-036-loop", spoilt), notes=("again",)))
    assert _wanted((*spoilt, *repeats)) == []


def test_a_pair_that_the_host_spoils_comes_back_three_times() -> None:
    run = _stolen(BLOCK, "b01-036-loop")
    for number in (1, 2, 3):
        assert _wanted(run) == ["b01-036-pool", "b01-036-loop"], number
        loop = f"b01-036-loop-r{number}"
        run = (*run, _again("b01-036-pool", run, number), *_stolen((_again("b01-036-loop", run, number),), loop))
    assert _wanted(run) == []


def test_a_repeat_that_counts_ends_the_tries_of_its_pair_alone() -> None:
    run = _stolen(BLOCK, "b01-030-loop", "b01-036-loop")
    good = tuple(_again(f"b01-030-{stack}", run) for stack in (POOL, LOOP))
    bad = _stolen(tuple(_again(f"b01-036-{stack}", run) for stack in (POOL, LOOP)), "b01-036-pool-r1")
    run = (*run, *good, *bad)
    assert _wanted(run) == ["b01-036-pool", "b01-036-loop"]
    again = tuple(_again(f"b01-036-{stack}", run, 2) for stack in (POOL, LOOP))
    assert _wanted((*run, *again)) == []
    spoilt = {"b01-030-loop", "b01-036-loop", "b01-036-pool-r1"}
    pairs = resolve((*run, *again), {w.id for w in (*run, *again)} - spoilt, [POOL, LOOP])
    sweep = {p.users: p.ids for p in pairs if p.kind == "sweep"}
    assert sweep == {30: ("b01-030-pool-r1", "b01-030-loop-r1"), 36: ("b01-036-pool-r2", "b01-036-loop-r2")}


def test_windows_of_two_rounds_are_never_paired() -> None:
    """The pool counts in the first round and the loop in the second: they were not measured side by side."""
    run = _stolen(BLOCK, "b01-036-loop")
    first = tuple(_again(f"b01-036-{stack}", run) for stack in (POOL, LOOP))
    run = (*run, *first)
    pairs = resolve(run, {w.id for w in run} - {"b01-036-loop", "b01-036-pool-r1"}, [POOL, LOOP])
    assert next(p for p in pairs if p.users == 36).ids is None


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
