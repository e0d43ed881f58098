"""Every query, annotation and variable of every board is taken by a real Prometheus, and an idle lab has no numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from dashboards.idle_lab import Server, idle_lab
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.report.board_queries import (
    Choice,
    board_annotations,
    board_offers,
    board_queries,
    expanded,
    typed_defaults,
)

BOARDS = [orjson.loads(path.read_bytes()) for path in board_files(checkout())]
PRICES = "loadlab:price_usd"
"""What a lab in which nothing runs knows all the same."""
PRICE: Mapping[str, Choice] = {"list": "aws-fargate-x86", "billing": "provisioned"}
CHOSEN: Mapping[str, Mapping[str, Choice]] = {
    "all": {**PRICE, "stack": ["flask", "fastapi"]},
    "one": {**PRICE, "stack": ["flask"]},
    "none": {"stack": [], "list": "", "billing": ""},
}


def _asked(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each expression of a board stands, and the expression."""
    uid = board["uid"]
    for query in board_queries(board):
        yield f"{uid}: {query.title} {query.ref}", query.expr
    for name, expr in board_annotations(board).items():
        yield f"{uid}: annotation {name}", expr
    for offer in board_offers(board):
        yield f"{uid}: variable {offer.name}", offer.selector


ASKED = [(place, expr, typed_defaults(board)) for board in BOARDS for place, expr in _asked(board)]


@pytest.fixture(scope="module")
def server(prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with idle_lab(prometheus, tmp_path_factory.mktemp("prometheus")) as one:
        yield one


@pytest.mark.parametrize("chosen", CHOSEN)
def test_every_query_is_taken_and_has_no_value_where_nothing_runs(server: Server, chosen: str) -> None:
    assert len(ASKED) > 60
    for place, written, typed in ASKED:
        expr = expanded(written, {**typed, **CHOSEN[chosen]})
        found = server.ask("query", query=expr)["result"]
        assert found == [] or PRICES in expr, f"{place}: {expr}"


def test_a_query_that_is_not_whole_is_refused(server: Server) -> None:
    """What is tested above can fail: the server does parse."""
    for _, written, typed in ASKED:
        with pytest.raises(AssertionError, match="400"):
            server.ask("query", query=f"({expanded(written, {**typed, **CHOSEN['all']})}")


def test_rules_are_loaded_and_evaluated_without_an_error(server: Server) -> None:
    groups = server.ask("rules")["groups"]
    assert {group["name"] for group in groups} == {"loadlab-prices", "loadlab-cost", "loadlab-alerts"}
    assert {rule["lastError"] for group in groups for rule in group["rules"] if "lastError" in rule} == set()
