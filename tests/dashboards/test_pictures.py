"""Pictures of a session's boards show what a Grafana would at the session's end, in its colours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import pytest

from dashboards.pictures import main
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.report.board_queries import board_queries

END_S, STEP_S = 1000.0, 5.0
LAST_S = END_S - 1.0
MEDIAN, HELD, USERS = "Does it wake in time?", "How many users does one deployment hold?", "How many users are there?"


def _run(folder: Path, told: dict[str, list[tuple[float, str]]]) -> Path:
    """A bundle in which the first query of some panels has a series, by the panel's title."""
    (folder / "queries").mkdir(parents=True)
    for path in board_files(checkout()):
        board = orjson.loads(path.read_bytes())
        queries = [
            {
                "panel": query.panel,
                "ref": query.ref,
                "legend": query.legend,
                "unit": query.unit,
                "result": [{"metric": {"stack": "flask", "users": "8"}, "values": told[query.title]}]
                if query.title in told and query.ref == "A"
                else [],
            }
            for query in board_queries(board)
        ]
        kept = {"queries": queries, "end_s": END_S, "step_s": STEP_S}
        (folder / "queries" / path.name).write_text(json.dumps(kept))
    return folder


def _drawn(folder: Path, title: str) -> str:
    """The panel as it is drawn, on whichever board it is."""
    pages = "".join(path.read_text() for path in sorted(folder.glob("*.html")))
    (found,) = re.findall(rf"<b>{re.escape(title)}</b>.*?(?=<b>|$)", pages, re.DOTALL)
    return str(found)


@pytest.mark.parametrize(("median_s", "colour"), [("0.0009", "#73bf69"), ("0.0013", "#f2495c")])
def test_a_figure_has_the_colour_of_its_bound(tmp_path: Path, median_s: str, colour: str) -> None:
    main(_run(tmp_path / "run", {MEDIAN: [(LAST_S, median_s)]}), tmp_path / "pictures")
    assert f'color:{colour}">median' in _drawn(tmp_path / "pictures", MEDIAN)


def test_a_figure_that_was_withdrawn_is_no_data_and_a_line_is_drawn_as_far_as_it_went(tmp_path: Path) -> None:
    before = [(LAST_S - 20.0, "57"), (LAST_S - 15.0, "57")]
    main(_run(tmp_path / "run", {HELD: before, USERS: before}), tmp_path / "pictures")
    assert "no data" in _drawn(tmp_path / "pictures", HELD)
    assert "no data" not in _drawn(tmp_path / "pictures", USERS)


def test_a_figure_of_the_sessions_end_is_shown(tmp_path: Path) -> None:
    main(_run(tmp_path / "run", {HELD: [(LAST_S - 5.0, "48"), (LAST_S, "57")]}), tmp_path / "pictures")
    assert "flask 57" in _drawn(tmp_path / "pictures", HELD)
