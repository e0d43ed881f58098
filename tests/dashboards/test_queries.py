"""Every query of every board is taken by a real Prometheus with the lab's rules, variables set to all, one and none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dashboards.queries import ALL, BOARDS, ROOT, BoardQuery, Server, board_queries, serving

QUERIES = board_queries()
CHOSEN: Mapping[str, Mapping[str, str]] = {
    "all": ALL,
    "one": {**ALL, "stack": "flask"},
    "none": {**ALL, "stack": "", "list": "", "billing": ""},
}
PRICES = "loadlab:price_usd"
"""What a lab in which nothing runs knows all the same."""


@pytest.fixture(scope="module")
def server(prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus with the lab's rules and nothing to scrape."""
    rules = ROOT / "k8s" / "base" / "prometheus" / "rules" / "*.yaml"
    config = f"global: {{evaluation_interval: 1s}}\nrule_files: ['{rules}']\n"
    with serving(prometheus, tmp_path_factory.mktemp("prometheus"), config) as one:
        yield one


def test_there_is_a_query_on_every_board() -> None:
    assert {query.place.split(":")[0] for query in QUERIES} == {file.stem for file in BOARDS}


@pytest.mark.parametrize("chosen", CHOSEN)
def test_every_query_is_taken_and_has_no_value_where_nothing_runs(server: Server, chosen: str) -> None:
    for query in QUERIES:
        expr = query.filled(CHOSEN[chosen])
        found = server.ask("query", query=expr)["result"]
        values = [one for one in found if one["metric"].get("__name__") != PRICES]
        assert values == [], f"{query.place}: {expr}"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_a_query_that_lacks_its_last_sign_is_refused(server: Server, query: BoardQuery) -> None:
    """What is tested above can fail: the server does parse."""
    with pytest.raises(AssertionError, match="400"):
        server.ask("query", query=f"({query.filled()}")


def test_rules_are_loaded_and_evaluated_without_an_error(server: Server) -> None:
    groups = server.ask("rules")["groups"]
    assert {group["name"] for group in groups} == {"loadlab-prices", "loadlab-cost", "loadlab-alerts"}
    assert {rule["lastError"] for group in groups for rule in group["rules"] if "lastError" in rule} == set()
