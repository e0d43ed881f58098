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


def test_the_answer_comes_before_the_doubts(results: dict[str, Any]) -> None:
    text = printed(results)
    places = [text.index(part) for part in ("▲ Diverges", "costs more", "N* lies in", "on every bill", "Invalid (1)")]
    assert places == sorted(places)
    assert "Next: give the generator another core." in text


def test_square_brackets_in_texts_are_shown_as_they_are(results: dict[str, Any]) -> None:
    results["verdict"]["sentence"] = "stack [bold red]x[/] and [link=file:///etc]y"
    assert "stack [bold red]x[/] and [link=file:///etc]y" in printed(results)


def test_a_run_without_figures_prints_dashes(bare_results: dict[str, Any]) -> None:
    text = printed(bare_results)
    assert "? Inconclusive" in text
    assert "None" not in text


def test_all_files_of_a_report_come_out_the_same_each_time(results: dict[str, Any]) -> None:
    files = render_files(results)
    assert set(files) == {"report.html", "report.md", "junit.xml"}
    assert files == render_files(results)
