"""Measures that read what another program printed: known texts, known figures."""

from __future__ import annotations

import pytest

from bench.arena import MeasureError
from bench.measure_contract import contract_figure
from bench.measure_faults import fault_figures
from bench.measure_side_by_side import PERCENTILES, SHORT, nearer, printed
from loadlab.model.calibration import Quantiles

FAULTS = (
    "gw0 [4]\n....\n"
    "faults: 4 cases, 3 struck, 31 windows whose books were added up where they have some, 2000 requests in them, "
    "{lost} lost by the books; 2 runs have an end of their bracket; 1 windows had no books\n"
    "=========== {closing} ===========\n"
)
STATS = (
    "Type,Name,Request Count,Failure Count,50%,95%,99%,99.9%\n"
    "GET,/data,10,{failed},8,9,9,9\n"
    ",Aggregated,10,{failed},8,9,30,2000\n"
)


@pytest.mark.parametrize(
    ("lost", "closing", "values"),
    [
        (0, "4 passed in 80.00s", [0, 0, 0.5, 0.75]),
        (2, "1 failed, 3 passed in 80.00s", [1, 2, 0.5, 0.75]),
        (0, "1 failed, 3 passed, 2 errors in 80.00s (0:01:20)", [3, 0, 0.5, 0.75]),
    ],
)
def test_faults_are_cases_that_failed_and_requests_that_were_lost(lost: int, closing: str, values: list[float]) -> None:
    figures = list(fault_figures(FAULTS.format(lost=lost, closing=closing), 4))
    assert [figure.value for figure in figures] == values
    assert [figure.ok for figure in figures] == [values[0] == 0, values[1] == 0, True, False]
    assert figures[0].note == closing


def test_what_failed_and_why_is_kept_without_this_machines_paths() -> None:
    failed = "FAILED tests/faults/test_faults.py::test_a_fault[27 engine SIGTERM] - got /var/tmp/a/b.toml -9"
    told = FAULTS.format(lost=0, closing="1 failed, 3 passed in 80.00s").replace("====", f"{failed}\n====", 1)
    assert next(fault_figures(told, 4)).note == (
        "1 failed, 3 passed in 80.00s; test_a_fault[27 engine SIGTERM] - got (file) -9"
    )


@pytest.mark.parametrize(
    "told", ["", "no tests ran", FAULTS.format(lost=0, closing="4 passed").replace("4 cases", "3 cases")]
)
def test_books_that_are_not_there_or_of_fewer_cases_are_no_measure(told: str) -> None:
    with pytest.raises(MeasureError, match="no books of 4 cases"):
        list(fault_figures(told, 4))


def test_what_locust_prints_is_read_in_seconds() -> None:
    found = printed(STATS.format(failed=0))
    assert found == {"p50_s": 0.008, "p95_s": 0.009, "p99_s": 0.03, "p999_s": 2.0, "requests": 10.0}
    with pytest.raises(MeasureError, match="1 of 10 requests failed"):
        printed(STATS.format(failed=1))


def test_the_nearer_one_is_told_for_each_percentile_that_is_known() -> None:
    truth = Quantiles(p50_s=0.0081, p95_s=0.971, p99_s=1.801, p999_s=None)
    ours = Quantiles(p50_s=0.0083, p95_s=0.972, p99_s=1.802, p999_s=1.9)
    figures = list(nearer("stalling", truth, ours, printed(STATS.format(failed=0)), tuple(PERCENTILES)))
    assert [figure.value for figure in figures[:3]] == pytest.approx([-0.1, 961.0, 1770.0])
    assert [figure.ok for figure in figures] == [False, True, True, False]
    assert figures[3].value is None
    assert "truth 971 ms, lab 972 ms, bare 9 ms" in figures[1].note
    assert len(list(nearer("stalling", truth, ours, printed(STATS.format(failed=0)), SHORT))) == 3


@pytest.mark.parametrize(
    ("closing", "value"),
    [
        ("9 passed, 8 deselected in 70.00s", 0.0),
        ("2 failed, 7 passed in 70.00s", 2.0),
        ("8 passed, 1 error in 9s", 1.0),
    ],
)
def test_the_contract_is_broken_by_each_operation_of_which_a_request_failed(closing: str, value: float) -> None:
    figure = contract_figure(f"....\n{closing}\n", 400)
    assert (figure.value, figure.ok) == (value, value == 0)
    assert "of 9 operations" in figure.how


def test_a_contract_of_which_nothing_was_tried_is_no_figure() -> None:
    with pytest.raises(MeasureError, match="nothing was tried: no tests ran"):
        contract_figure("no tests ran in 1.00s\n", 400)
