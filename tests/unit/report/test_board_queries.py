"""Variables of a board become what Grafana sends."""

from __future__ import annotations

from typing import Any

import pytest

from loadlab.report.board_queries import board_queries, expanded, typed_defaults

RATE = 'rate(a_total{stack=~"$stack"}[$__rate_interval])'


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        (["flask", "fastapi"], "(flask|fastapi)"),
        (["flask"], "flask"),
        ([], ""),
        (["a.b", "c+d"], r"(a\\.b|c\\+d)"),
        ("flask", "flask"),
    ],
)
def test_several_choices_are_alternatives_one_is_itself_and_none_is_nothing(chosen: str | list[str], sent: str) -> None:
    assert expanded(RATE, {"stack": chosen}) == f'rate(a_total{{stack=~"{sent}"}}[20s])'


def test_braces_and_texts_are_put_in_as_they_are() -> None:
    assert expanded("ceil(${target} / $target)", {"target": "1000"}) == "ceil(1000 / 1000)"


def test_a_variable_that_nobody_chose_is_an_error_and_no_empty_text() -> None:
    with pytest.raises(KeyError, match="list"):
        expanded('a{list="$list"}', {"stack": []})


def test_rows_have_no_queries_and_each_target_of_a_panel_is_one() -> None:
    panel: dict[str, Any] = {
        "id": 3,
        "title": "How long?",
        "fieldConfig": {"defaults": {"unit": "s"}},
        "targets": [
            {"refId": "A", "expr": RATE, "legendFormat": "{{stack}}"},
            {"refId": "B", "expr": "b", "legendFormat": "b", "instant": True},
        ],
    }
    board = {
        "uid": "loadlab-x",
        "panels": [{"id": 1, "title": "a row", "type": "row"}, panel],
        "templating": {
            "list": [{"name": "users", "type": "textbox", "query": "50"}, {"name": "stack", "type": "query"}]
        },
    }
    first, second = board_queries(board)
    assert (first.panel, first.ref, first.unit, first.instant) == (3, "A", "s", False)
    assert first.variables == {"stack"}
    assert (second.instant, second.variables) == (True, frozenset())
    assert typed_defaults(board) == {"users": "50"}
