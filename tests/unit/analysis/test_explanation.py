"""What a stack filled up is told from its levels: slots of the busiest worker, processor, and who waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders_report import Shape, build_analysis
from loadlab.analysis.explanation import explain, fill
from loadlab.model.result import Estimate, LevelSummary, StackExplanation

RUN = build_analysis()
FLASK = [level for level in RUN.levels if level.stack == "flask"]


def _cores(values: list[float | None]) -> list[LevelSummary]:
    return [
        replace(level, cpu_cores=None if value is None else Estimate(value=value, interval=None, n=1))
        for level, value in zip(FLASK, values, strict=True)
    ]


def _value(level: LevelSummary) -> float | None:
    return level.cpu_cores.value if level.cpu_cores else None


def _told(levels: list[LevelSummary], workers: int = 1) -> StackExplanation:
    stack = build_analysis(Shape(workers=workers)).stacks[0]
    (told,) = explain((stack,), levels, {stack.name: 1.0})
    return told


@pytest.mark.parametrize(
    ("values", "full_from", "peak"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], None, 0.5),
        ([0.1, 0.2, 0.95, 0.96, 0.99], 53, 0.99),
        ([0.95, 0.2, 0.3, 0.95, 0.94], 64, 0.95),
        ([0.1, 0.2, 0.95, None, 0.99], 53, 0.99),
        ([0.91, 0.92, 0.93, 0.94, 0.95], 37, 0.95),
    ],
)
def test_a_resource_is_full_from_where_it_stays_full(
    values: list[float | None], full_from: int | None, peak: float
) -> None:
    found = fill(_cores(values), _value, 1.0, 0.9)
    assert found is not None
    assert (found.full_from_users, found.peak) == (full_from, peak)


def test_what_was_never_measured_has_no_fill_and_is_said_to_be_absent() -> None:
    assert fill(_cores([None] * 5), _value, 1.0, 0.9) is None
    told = _told([replace(level, cpu_cores=None, slots_busy_by_worker=()) for level in FLASK])
    assert (told.cores_peak, told.slots_peak) == (None, None)
    assert "its processor time was not measured" in told.sentence
    assert "does not tell how many of its 48 slots per worker are busy" in told.sentence


def test_a_pool_that_nobody_told_is_not_taken_for_none() -> None:
    """Absent is not zero: a service elsewhere may have a pool that its owner did not write down."""
    stack = replace(build_analysis().stacks[0], slots=None, slots_per_worker=None)
    for pool, said in (("unknown", "is not known, so that nothing is said of its slots"), ("none", "no pool of slots")):
        (told,) = explain((replace(stack, pool=pool),), FLASK, {stack.name: 1.0})  # type: ignore[arg-type]
        assert said in told.sentence


def test_one_worker_whose_slots_are_all_busy_is_named_with_the_level_and_the_waiting() -> None:
    told = _told(FLASK)
    assert (told.slots_limit, told.slots_full_from_users, told.cores_full_from_users) == (48, 53, None)
    assert told.sentence.startswith("flask: all its 48 slots are busy from 53 users on, and further requests wait")
    assert "median response time" in told.sentence


def test_of_several_workers_the_busiest_is_told_beside_how_full_all_are() -> None:
    run = build_analysis(Shape(workers=4))
    told = run.explanation[0]
    assert (told.slots_limit, told.slots_full_from_users) == (12, 37)
    level = next(level for level in run.levels if level.stack == "flask" and level.users == 37)
    share = round(100 * sum(level.slots_busy_by_worker) / 48)
    assert f"when its 4 workers together have {share} % of theirs in use" in told.sentence


def test_slots_that_never_fill_say_how_far_they_came() -> None:
    told = _told([replace(level, slots_busy_by_worker=(20.0 + level.users / 10,)) for level in FLASK])
    assert told.slots_full_from_users is None
    assert (
        "its slots do not fill at the levels that count, up to 77 users: at most 27.7 of 48 of a worker"
        in told.sentence
    )


def test_a_full_processor_is_named() -> None:
    told = _told(_cores([0.5, 0.7, 0.95, 0.97, 0.98]))
    assert told.cores_full_from_users == 53
    assert "its processor is full from 53 users on (0.98 of 1 core)" in told.sentence


def test_a_stack_without_a_window_that_counts_says_only_that() -> None:
    assert _told([]).sentence == "flask: no window counts."
