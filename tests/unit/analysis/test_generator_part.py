"""Figures that have the load generator in them say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import make_arrivals, make_provenance, make_window
from loadlab.analysis.generator_part import read_findings, share_findings
from loadlab.model.calibration import Reach, TruthfulRange
from loadlab.model.run import RunData, Window

RUN = RunData(run_id="unit-run", windows=(), demands=(), provenance=make_provenance(), complete=True)


def with_ends_read(stack: str, ends_read: int | None) -> Window:
    """Of the 40 requests of its window so many answers were timed by their read."""
    window = make_window()
    return replace(window, stack=stack, load=replace(window.load, ends_read=ends_read))


@pytest.mark.parametrize(
    ("pool", "loop", "level", "got"),
    [
        ((0, 0), (0, 0), None, None),
        ((None,), (None,), None, None),
        ((0,), (40, 40), "warning", "0% of the answers of pool, 100% of the answers of loop"),
        ((40, 20), (30, 30, None), "info", "75% of the answers of pool, 75% of the answers of loop"),
    ],
)
def test_answers_that_are_timed_by_their_read_are_told_and_worse_where_one_stack_has_more(
    pool: tuple[int | None, ...], loop: tuple[int | None, ...], level: str | None, got: str | None
) -> None:
    windows = [with_ends_read(stack, read) for stack, reads in (("pool", pool), ("loop", loop)) for read in reads]
    found = read_findings(replace(RUN, windows=tuple(windows)))
    assert [(one.code, one.level, one.got) for one in found] == ([("ends_read", level, got)] if level else [])


@pytest.mark.parametrize(("read", "level"), [(0, None), (1, "info"), (2, "warning"), (40, "warning")])
def test_of_answers_that_no_calibration_is_of_a_calibrated_run_warns(read: int, level: str | None) -> None:
    """Of 40 answers of each stack; below 5 % they move no figure that is vouched for."""
    windows = tuple(with_ends_read(stack, read) for stack in ("pool", "loop"))
    reach = Reach(most=100.0, beyond=None)
    truthful = TruthfulRange(made_unix_s=0.0, generators=1, rate_rps=reach, users=reach)
    run = replace(RUN, windows=windows, provenance=replace(RUN.provenance, truthful=truthful))
    found = read_findings(run)
    assert [one.level for one in found] == ([level] if level else [])
    assert [one.expected for one in found if one.level == "warning"] == [
        "none, since the calibration of this machine is not of such answers" for _ in found if level == "warning"
    ]


def with_chores(stack: str, users: int, chores_s: float | None) -> Window:
    """Its users have 8 s of time together."""
    window = make_window()
    return replace(window, stack=stack, users=users, load=replace(window.load, chores_s=chores_s))


@pytest.mark.parametrize(
    ("chores", "got"),
    [
        ([("pool", 8, None)], None),
        ([("pool", 8, 0.0), ("loop", 8, 0.15)], None),
        ([("pool", 8, 0.4), ("pool", 8, 0.0), ("loop", 8, 0.16)], "2.5 % of the time of 8 users of pool"),
        ([("loop", 8, 0.08), ("loop", 16, 0.4), ("loop", 16, None)], "5.0 % of the time of 16 users of loop"),
    ],
)
def test_a_generator_that_its_users_wait_for_is_a_warning_with_the_worst_level(
    chores: list[tuple[str, int, float | None]], got: str | None
) -> None:
    found = share_findings(replace(RUN, windows=tuple(with_chores(*one) for one in chores)))
    assert [(one.code, one.level, one.got) for one in found] == ([("generator_share", "warning", got)] if got else [])


def test_open_loads_have_their_dispatch_lag_for_that() -> None:
    window = with_chores("pool", 8, 4.0)
    load = replace(window.load, arrivals=make_arrivals(window.load, planned=40))
    assert share_findings(replace(RUN, windows=(replace(window, load=load),))) == ()
