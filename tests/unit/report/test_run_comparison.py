"""Two runs are put side by side only where that means something, and marked where it means less."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from loadlab.errors import UsageError
from loadlab.report.comparison import compare_runs
from loadlab.report.comparison_text import (
    DIFFERENT_MACHINES,
    comparison_markdown,
    comparison_sentences,
    print_comparison,
)


@pytest.fixture
def other(results: dict[str, Any]) -> dict[str, Any]:
    """A second run on the same machine."""
    return copy.deepcopy(results) | {"run_id": "second"}


def test_a_run_agrees_with_itself(results: dict[str, Any], other: dict[str, Any]) -> None:
    found = compare_runs(results, other)
    assert found.same_machine
    assert found.brackets_overlap
    assert found.differences == ()
    assert len(found.pairs) == len(results["comparisons"])
    assert all(pair.overlap for pair in found.pairs)


@pytest.mark.parametrize(
    ("ends", "overlap"), [((53, 64), False), ((44, 48), True), ((52, 64), True), ((37, 44), False), ((None, 53), None)]
)
def test_brackets_are_half_open(
    results: dict[str, Any], other: dict[str, Any], ends: tuple[int | None, int | None], overlap: bool | None
) -> None:
    other["bracket"] |= {"lower_users": ends[0], "upper_users": ends[1]}
    assert compare_runs(results, other).brackets_overlap is overlap
    assert compare_runs(other, results).brackets_overlap is overlap


def test_intervals_that_do_not_meet_are_named(results: dict[str, Any], other: dict[str, Any]) -> None:
    pair = other["comparisons"][2]
    pair |= {"ratio": 9.0, "lower_ratio": 8.9, "upper_ratio": 9.1}
    other["comparisons"][3]["lower_ratio"] = None
    found = {(one.users, one.list): one.overlap for one in compare_runs(results, other).pairs}
    assert found[(53, "aws-fargate-x86")] is False
    assert found[(64, "aws-fargate-x86")] is None
    assert found[(77, "aws-fargate-x86")] is True
    text = comparison_markdown(compare_runs(results, other))
    assert "Intervals overlap in 23 of 24 ratios that both measured (all statistics, lists and levels)." in text
    assert "9.000x (8.900x – 9.100x)" in text


def test_a_level_that_one_run_lacks_is_absent_there(results: dict[str, Any], other: dict[str, Any]) -> None:
    other["comparisons"] = other["comparisons"][1:]
    found = compare_runs(results, other)
    lonely = [pair for pair in found.pairs if pair.second is None]
    assert [(pair.users, pair.overlap) for pair in lonely] == [(37, None)]
    assert "this run has no comparison at this level" in comparison_markdown(found)


def test_settings_that_differ_are_listed(results: dict[str, Any], other: dict[str, Any]) -> None:
    other["stacks"][0]["settings"]["threads"] = "16"
    other["experiment"]["margin_ratio"] = 0.2
    other["provenance"]["packages"]["flask"] = "3.2.0"
    del other["provenance"]["packages"]["fastapi"]
    found = {(one.name, one.first, one.second) for one in compare_runs(results, other).differences}
    assert found == {
        ("stack 1 threads", "48", "16"),
        ("margin_ratio", "0.1", "0.2"),
        ("package flask", "3.1.3", "3.2.0"),
        ("package fastapi", "0.165.0", "absent"),
    }


def test_different_machines_are_refused_unless_asked_for_and_then_marked(
    results: dict[str, Any], other: dict[str, Any]
) -> None:
    other["provenance"]["machine_id"] = "elsewhere"
    with pytest.raises(
        UsageError, match=r"different machines \(synthetic-7 and elsewhere\).*--allow-different-machines"
    ):
        compare_runs(results, other)
    found = compare_runs(results, other, allow_different_machines=True)
    assert not found.same_machine
    assert DIFFERENT_MACHINES in comparison_markdown(found)


def test_two_unknown_machines_are_not_the_same_machine(results: dict[str, Any], other: dict[str, Any]) -> None:
    del results["provenance"]["machine_id"]
    del other["provenance"]["machine_id"]
    with pytest.raises(UsageError, match="different machines"):
        compare_runs(results, other)


def test_different_schemas_or_statistics_are_refused_with_the_reason(
    results: dict[str, Any], other: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=r"different schemas \(1 and 2\)"):
        compare_runs(results, other | {"schema": 2}, allow_different_machines=True)
    other["experiment"]["statistic"] = "p95"
    with pytest.raises(UsageError, match=r"different statistics .*95th percentile"):
        compare_runs(results, other, allow_different_machines=True)


def test_rates_and_users_are_not_put_side_by_side(results: dict[str, Any], other: dict[str, Any]) -> None:
    other["experiment"] |= {"load_kind": "open", "arrivals": "poisson"}
    with pytest.raises(UsageError, match=r"different loads \(closed and open\)"):
        compare_runs(results, other)
    arrivals = {"load_kind": "open", "arrivals": "constant"}
    first = results | {"experiment": results["experiment"] | arrivals}
    assert [one.name for one in compare_runs(first, other).differences] == ["arrivals"]


def test_runs_that_contradict_each_other_say_so_on_the_terminal(results: dict[str, Any], other: dict[str, Any]) -> None:
    other["bracket"] |= {"lower_users": 64, "upper_users": 77}
    stream = io.StringIO()
    print_comparison(compare_runs(results, other), Console(file=stream, width=160, color_system=None))
    assert "The brackets do not overlap" in stream.getvalue()
    assert "(64, 77] users" in stream.getvalue()


def test_a_local_and_a_cluster_run_side_by_side_name_what_differs(
    results: dict[str, Any], other: dict[str, Any]
) -> None:
    other["provenance"] |= {"target": "kubernetes", "machine_id": "c", "cluster": {"cpu_limit_cores": 0.8}}
    other["cluster"] = {"differences": ["processor: a quota"]}
    with pytest.raises(UsageError, match="come from different machines"):
        compare_runs(results, other)
    compared = compare_runs(results, other, allow_different_machines=True)
    sentences = list(comparison_sentences(compared))
    assert sentences[0] == DIFFERENT_MACHINES
    assert f"{other['run_id']}: processor: a quota." in sentences
    assert {"target", "cluster cpu_limit_cores"} <= {one.name for one in compared.differences}
