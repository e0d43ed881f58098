"""report.md tells the same story short, and shows hostile text instead of obeying it."""

from __future__ import annotations

from typing import Any

import pytest

from builders_report import Shape, build_analysis
from loadlab.report.cells import Cell, Table, columns, figure
from loadlab.report.markdown import escape, render_markdown, table
from loadlab.report.results import from_json, to_json


def test_it_says_the_answer_first_then_the_evidence_then_the_doubts(results: dict[str, Any]) -> None:
    text = render_markdown(results)
    order = (
        "Diverges",
        "cost more than 1.10x",
        "Settings: flask",
        "Doubts: the load",
        "## Evidence",
        "## Doubts",
        "lag",
        "## Run it again",
        "make quick",
    )
    places = [text.index(part.replace("\\(", "(")) for part in order]
    assert places == sorted(places)
    assert text.endswith("\n")


def test_every_row_of_a_table_has_the_columns_of_its_head(full_results: dict[str, Any]) -> None:
    rows = [line for line in render_markdown(full_results).splitlines() if line.startswith("|")]
    assert len(rows) > 30
    assert {line.replace(r"\|", "").count("|") for line in rows} == {4, 6, 7, 8, 14}


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
