"""report.md tells the same story short, and shows hostile text instead of obeying it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders_report import Shape, build_analysis
from builders_report_runs import one_level_lost
from loadlab.report.cells import Cell, Table, columns, figure
from loadlab.report.html import render_html
from loadlab.report.markdown import escape, render_markdown, table
from loadlab.report.results import from_json, to_json
from loadlab.report.view import build_view


def test_it_says_the_answer_first_then_the_evidence_then_the_doubts(results: dict[str, Any]) -> None:
    text = render_markdown(results)
    order = (
        "Diverges",
        "cost more than 1.10x",
        "Settings: flask",
        "Doubts: the load",
        "## Evidence",
        "## Doubts",
        "lag: ",
        "## Run it again",
        "make quick",
    )
    places = [text.index(part.replace("\\(", "(")) for part in order]
    assert places == sorted(places)
    assert text.endswith("\n")


def test_a_level_of_which_nothing_counts_stays_in_every_table_and_says_why() -> None:
    view = build_view(from_json(to_json(one_level_lost(53))))
    for data in (view.decisive, view.levels, *view.bills):
        assert list(dict.fromkeys(row[0].text for row in data.rows)) == ["37", "44", "53", "64", "77"]
        marked = [row for row in data.rows if row[0].text == "53"]
        assert {row[0].detail for row in marked} == {"level invalid"}
        assert {row[0].detail for row in data.rows if row[0].text != "53"} == {None}
        assert all(cell.text in ("–", "0") for row in marked for cell in row[2:-2])
    assert any("no window counts: steal 4" in reason for reason in view.levels.reasons)
    assert [row[-2].text for row in view.levels.rows if row[0].text == "53"] == ["0 of 4", "0 of 4"]


def test_a_file_of_before_the_tallies_shows_the_levels_that_count() -> None:
    view = build_view(from_json(to_json(replace(one_level_lost(53), tested=None))))
    assert list(dict.fromkeys(row[0].text for row in view.levels.rows)) == ["37", "44", "64", "77"]


def test_every_row_of_a_table_has_the_columns_of_its_head(full_results: dict[str, Any]) -> None:
    rows = [line for line in render_markdown(full_results).splitlines() if line.startswith("|")]
    assert len(rows) > 30
    assert {line.replace(r"\|", "").count("|") for line in rows} == {4, 6, 7, 8, 14}


def test_what_is_not_predictable_is_not_called_no_threshold() -> None:
    run = build_analysis()
    assert run.prediction is not None
    nothing = replace(run.prediction, users=None, attribution="unknown", reason="slots are not known", inside=None)
    stacks = tuple(replace(stack, slots=None, slots_per_worker=None, pool="unknown") for stack in run.stacks)
    text = render_markdown(from_json(to_json(replace(run, prediction=nothing, stacks=stacks))))
    assert "| Predicted by the law | **not predictable** | slots are not known |" in text
    assert "Bracket holds the prediction: – (not predictable)" in text
    assert "no threshold" not in text
    assert "this stack has no pool of slots" not in text
    assert "how many requests this stack serves at once is not known" in text


def test_waits_of_the_users_own_are_told_instead_of_a_think_time_of_nothing() -> None:
    run = build_analysis()
    stacks = tuple(replace(stack, demand_think_s=3.0) for stack in run.stacks)
    text = render_html(
        from_json(to_json(replace(run, stacks=stacks, experiment=replace(run.experiment, own_waits=("Shopper",)))))
    )
    assert "think time as the wait_time of Shopper says" in text
    assert "IoBoundUser, think time 0 s<" not in text
    assert "3.00 s" in text


@pytest.mark.parametrize(
    ("text", "shown"), [("a|b", r"a\|b"), ("<b>", r"\<b\>"), ("x\n# y", r"x \# y"), ("a_b", r"a\_b")]
)
def test_special_signs_are_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_hostile_stack_name_stays_inside_its_cell() -> None:
    run = from_json(to_json(build_analysis(Shape(names=("<script>x</script>|\n# h", "b")))))
    text = render_markdown(run)
    assert "<script>" not in text
    assert "\n# h" not in text


def test_absent_entries_are_dashes_with_their_reasons_below() -> None:
    data = Table(
        caption="c", columns=columns("'Name", "Value"), rows=((Cell(text="a", figure=False), figure("–", "no meter")),)
    )
    assert list(table(data))[2:] == [
        "| Name | Value |",
        "|---|---:|",
        "| a | – |",
        "",
        "– means absent, never zero: no meter.",
        "",
    ]


def test_rendering_again_gives_the_same_bytes(bare_results: dict[str, Any]) -> None:
    assert render_markdown(bare_results) == render_markdown(from_json(to_json_again(bare_results)))


def to_json_again(results: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(results)
