"""The terminal shows verdict, key figures, brackets and doubts; texts are never read as markup."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from loadlab.report.render import render_files
from loadlab.report.terminal import print_summary


def printed(results: dict[str, Any], width: int = 140) -> str:
    stream = io.StringIO()
    print_summary(results, Console(file=stream, width=width, color_system=None))
    return stream.getvalue()


def test_the_answer_comes_before_the_evidence_and_the_doubts_last(results: dict[str, Any]) -> None:
    text = printed(results)
    order = (
        "▲ Diverges",
        "cost more",
        "Doubts: the load",
        "flask / fastapi",
        "On other price lists",
        "Why",
        "Run",
        "Invalid (1 window",
    )
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_each_level_takes_one_line_of_eighty_columns(results: dict[str, Any]) -> None:
    lines = printed(results, width=80).splitlines()
    for pair in results["comparisons"][: len(results["experiment"]["levels"])]:
        (line,) = [line for line in lines if line.split()[:1] == [str(pair["users"])] and "$" in line]
        assert f"{pair['ratio']:.3f}x" in line
        assert ("above the margin" in line) == (pair["answer"] == "over")


def test_other_lists_take_one_line_each_and_other_statistics_none(results: dict[str, Any]) -> None:
    text = printed(results, width=80)
    for curve in results["brackets"][1:4]:
        assert len([line for line in text.splitlines() if f"{curve['list']}," in line]) == 1
    assert "95th percentile" not in text


def test_what_a_request_costs_is_called_so_where_another_statistic_decides(results: dict[str, Any]) -> None:
    text = printed(results)
    assert "On other price lists\n" in text
    results["experiment"]["statistic"] = "goodput"
    results["brackets"].sort(key=lambda curve: curve["statistic"] != "goodput")
    text = printed(results)
    assert "On other price lists" not in text
    _, _, listed = text.partition("By the cost per million good requests\n")
    lists = [curve["list"] for curve in results["brackets"] if curve["statistic"] == "cost_per_million_good"]
    assert [line.split(",")[0].strip() for line in listed.splitlines()[: len(lists)]] == lists


def test_a_list_on_which_nothing_could_be_billed_says_why_and_blames_no_level(results: dict[str, Any]) -> None:
    """Demands that were measured while the machine was disturbed bill nothing by the request alone."""
    why = "flask: the time of a request alone was not measured in a window that passed its gates"
    (curve,) = (one for one in results["brackets"] if one["constant_ratio"] and one["statistic"].startswith("cost"))
    curve |= {"constant_ratio": None, "note": why}
    levels = results["experiment"]["levels"]
    curve["bracket"] |= {"kind": "inconclusive", "straddling": levels, "reason": f"no block ({why})"}
    (line,) = [line for line in printed(results, width=160).splitlines() if f"{curve['list']}," in line]
    assert line.endswith(f"? {why}")
    (row,) = [row for row in render_files(results)["report.md"].decode().splitlines() if f"| {why} |" in row]
    assert "undecided at" not in row


def test_findings_are_grouped_by_code_with_their_first_places(invalid_results: dict[str, Any]) -> None:
    text = " ".join(printed(invalid_results, width=80).split())
    assert (
        "lag in 40 windows: the load generator woke up late (b01-037-flask, b01-037-fastapi, b01-044-flask and 37 more)"
        in text
    )


def test_a_summary_stays_within_about_forty_lines_whatever_the_run_was_like(
    results: dict[str, Any], odd_results: dict[str, Any], bare_results: dict[str, Any]
) -> None:
    for run in (results, odd_results, bare_results):
        assert len(printed(run, width=80).splitlines()) <= 40


def test_square_brackets_in_texts_are_shown_as_they_are(results: dict[str, Any]) -> None:
    results["verdict"]["answer"] = "stack [bold red]x[/] and [link=file:///etc]y"
    assert "stack [bold red]x[/] and [link=file:///etc]y" in printed(results)


def test_a_run_without_figures_prints_dashes(bare_results: dict[str, Any]) -> None:
    text = printed(bare_results)
    assert "? Inconclusive" in text
    assert "None" not in text


def test_all_files_of_a_report_come_out_the_same_each_time(results: dict[str, Any]) -> None:
    files = render_files(results)
    assert set(files) == {"report.html", "report.md", "junit.xml"}
    assert files == render_files(results)
