"""Every query of every board, run by a real Prometheus over sessions whose bundles hold the answers."""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from builders_session import PRICES as BILLED
from builders_session import make_session
from known_answers import AFTER_THE_BOOKS, WANTED, Case, Session
from loadlab.config.prices import PRICES_FOLDER
from loadlab.execute.replay.history import History
from loadlab.execute.scrapes import GENERATOR_SUFFIX
from loadlab.model.run import Window
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, keep_queries, replayed
from loadlab.pipeline.span import Span
from loadlab.report.board_queries import (
    BoardQuery,
    Choice,
    Offer,
    board_annotations,
    board_offers,
    board_queries,
    expanded,
)
from loadlab.report.level_series import SETTLED_S

BOARDS = [orjson.loads(path.read_bytes()) for path in board_files(checkout())]
QUERIES = [query for board in BOARDS for query in board_queries(board)]
PRICES = tuple((price.list_id, price.billing) for price in BILLED)
NOT_BILLED = "aws-fargate-arm"
"""The first of all lists: what a board would open with that offered them all."""
TYPED = {"target_users": "1000", "good_ratio": "0.95"}
SEES_RULES_S = 5.0 + SETTLED_S
"""After the last exposition of a window: levels settle, then rules are evaluated every 5 s, at moments that promtool
draws from the path of its file."""
REASON = re.compile(r"\b([Nn]o data|[Aa]bsent|no line|there is no|no first figure)\b")
Series = dict[str, Any]


@dataclass(frozen=True)
class Replayed:
    """A session and the Prometheus that holds it."""

    session: Session
    history: History
    span: Span
    url: str

    def at(self, query: BoardQuery, moment_s: float, stacks: Sequence[str], price: tuple[str, str]) -> list[Series]:
        """The series of a query at one moment."""
        expr = expanded(query.expr, {**TYPED, "stack": stacks, "list": price[0], "billing": price[1]})
        return self.history.query_range(expr, start_s=moment_s, end_s=moment_s, step_s=5)

    def offers(self, offer: Offer, chosen: Mapping[str, Choice]) -> list[str]:
        """What Grafana shows in a variable's list: the values of a label over the session."""
        fields = {"match[]": expanded(offer.selector, chosen), "start": self.span.start_s, "end": self.span.end_s}
        url = f"{self.url}/api/v1/label/{offer.label}/values?{urlencode(fields)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return list(orjson.loads(answer.read())["data"])

    def moment_s(self, query: BoardQuery, window: Window) -> float:
        """The close of the window, or when its level is known."""
        if (_short(query), query.title) not in AFTER_THE_BOOKS:
            return float(self.session.closes_s(window))
        text = (self.session.folder / "scrapes" / f"{window.id}{GENERATOR_SUFFIX}").read_text()
        return float(text.split("# scraped ")[-1].split()[0]) + SEES_RULES_S


@pytest.fixture(scope="module")
def programs(prometheus: Path, promtool: Path) -> None:
    """Both are where replays look for them."""
    assert prometheus.exists()
    assert promtool.exists()


@pytest.fixture(scope="module")
def pair(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """Two stacks of which some requests fail, beside a price list that the session does not bill, as in a lab."""
    folder = tmp_path_factory.mktemp("pair") / "session"
    make_session(folder, error_ratio=0.02)
    shutil.copy(PRICES_FOLDER / f"{NOT_BILLED}.toml", folder / "prices")
    with replayed(folder, checkout()) as (served, span):
        yield Replayed(Session(folder), History(served.url), span, served.url)


@pytest.fixture(scope="module")
def alone(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """One stack, which exports no metrics, in a bundle whose own list asks another price than the checkout's."""
    folder = tmp_path_factory.mktemp("alone") / "session"
    make_session(folder, stacks=("loop",), has_metrics=False, vcpu_hour="0.08")
    with replayed(folder, checkout()) as (served, span):
        yield Replayed(Session(folder), History(served.url), span, served.url)


def _short(query: BoardQuery) -> str:
    return query.board.removeprefix("loadlab-")


def _key(query: BoardQuery) -> tuple[str, str, str]:
    return _short(query), query.title, query.ref


def _name(query: BoardQuery) -> str:
    return f"{_short(query)}: {query.title} {query.ref}"


def _is_as_known(replay: Replayed, query: BoardQuery, window: Window, price: tuple[str, str]) -> None:
    wanted = WANTED[_key(query)](Case(session=replay.session, window=window, price=price))
    found = replay.at(query, replay.moment_s(query, window), [window.stack], price)
    where = f"{_name(query)} at {window.id} under {price[0]}"
    assert len(found) == len(wanted), f"{where}: got {found}, expected {wanted}"
    for key, answer in wanted.items():
        (series,) = [one for one in found if dict(key).items() <= one["metric"].items()]
        value = float(series["values"][-1][1])
        assert answer.lower <= value <= answer.upper, f"{where}: {dict(key)}: got {value}, expected {answer}"


def test_every_query_has_a_known_answer_and_no_answer_is_left_over() -> None:
    assert {_key(query) for query in QUERIES} == set(WANTED)


@pytest.mark.parametrize("query", QUERIES, ids=_name)
def test_a_query_says_what_the_bundle_holds_for_every_window(pair: Replayed, query: BoardQuery) -> None:
    assert len(pair.session.sweep) == 4
    for window in pair.session.sweep:
        for price in PRICES if query.variables & {"list", "billing"} else PRICES[:1]:
            _is_as_known(pair, query, window, price)


@pytest.mark.parametrize("query", QUERIES, ids=_name)
def test_one_stack_without_metrics_gives_no_data_and_no_false_number(alone: Replayed, query: BoardQuery) -> None:
    for window in alone.session.sweep:
        _is_as_known(alone, query, window, PRICES[0])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_panel_without_data_says_why_it_may_have_none(alone: Replayed, board: Mapping[str, Any]) -> None:
    """In a session of one stack that exports nothing."""
    for panel in (one for one in board["panels"] if one["type"] != "row"):
        queries = [query for query in QUERIES if (query.board, query.panel) == (board["uid"], panel["id"])]
        asked = [alone.at(q, alone.moment_s(q, w), ["loop"], PRICES[0]) for q in queries for w in alone.session.sweep]
        assert any(asked) or REASON.search(panel["description"]), panel["title"]


@pytest.mark.parametrize("query", [q for q in QUERIES if "stack" in q.variables], ids=_name)
def test_all_stacks_are_each_ones_series_and_none_is_no_series(pair: Replayed, query: BoardQuery) -> None:
    for window in pair.session.sweep:
        moment_s = pair.moment_s(query, window)
        each = [pair.at(query, moment_s, [stack], PRICES[0]) for stack in ("pool", "loop")]
        assert _sorted(pair.at(query, moment_s, ["pool", "loop"], PRICES[0])) == _sorted(each[0] + each[1])
        assert pair.at(query, moment_s, [], PRICES[0]) == []


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_stacks_are_offered_with_the_labs_metrics_and_without(
    pair: Replayed, alone: Replayed, board: Mapping[str, Any]
) -> None:
    stack = _variables(board)["stack"]
    assert pair.offers(stack, {}) == ["loop", "pool"]
    assert alone.offers(stack, {}) == ["loop"]


def test_the_cost_board_offers_what_the_session_bills_and_nothing_else(pair: Replayed) -> None:
    variables = _variables(next(board for board in BOARDS if board["uid"] == "loadlab-cost"))
    assert list(variables) == ["stack", "list", "billing"]
    assert pair.offers(variables["list"], {}) == sorted(name for name, _ in PRICES)
    for name, billing in PRICES:
        assert pair.offers(variables["billing"], {"list": name}) == [billing]


@pytest.mark.parametrize("query", [q for q in QUERIES if q.board == "loadlab-cost"], ids=_name)
def test_the_cost_board_does_not_open_empty(pair: Replayed, query: BoardQuery) -> None:
    """With the first of what each variable offers, which is what Grafana takes."""
    variables = _variables(next(board for board in BOARDS if board["uid"] == query.board))
    price = pair.offers(variables["list"], {})[0]
    billing = pair.offers(variables["billing"], {"list": price})[0]
    last = pair.session.sweep[-1]
    stacks = pair.offers(variables["stack"], {})
    assert pair.at(query, pair.moment_s(query, last), stacks, (price, billing))


AT_THE_END = {"What does the deployment cost by the hour?", "Which prices are these?"}


def _is_seen_at_the_end(query: BoardQuery) -> bool:
    """Figures, tables and points of what is known of the whole session; those of a moment are of its own."""
    board = next(one for one in BOARDS if one["uid"] == query.board)
    (kind,) = [panel["type"] for panel in board["panels"] if panel["id"] == query.panel]
    of_session = (_short(query), query.title) in AFTER_THE_BOOKS or query.title in AT_THE_END
    return kind != "timeseries" and of_session


@pytest.mark.parametrize("query", [q for q in QUERIES if _is_seen_at_the_end(q)], ids=_name)
def test_what_a_session_came_to_stands_on_its_boards_when_they_are_opened(pair: Replayed, query: BoardQuery) -> None:
    """They are opened over its span, at the end of which nothing is measured any more."""
    assert pair.at(query, pair.span.end_s, ["pool", "loop"], PRICES[0])


def _variables(board: Mapping[str, Any]) -> Mapping[str, Offer]:
    return {offer.name: offer for offer in board_offers(board)}


def _annotated(replay: Replayed, board: Mapping[str, Any], name: str) -> list[Series]:
    expr, span = board_annotations(board)[name], replay.span
    return replay.history.query_range(expr, start_s=span.start_s, end_s=span.end_s, step_s=5)


def _spans(folder: Path) -> Iterator[tuple[str, float, float]]:
    """Stack, opening and close of every window that there was, of the demands too."""
    for path in (folder / "windows").glob("*.json"):
        record = orjson.loads(path.read_bytes())
        opened_s = record["load"]["opened_unix_s"]
        yield record["stack"], opened_s, opened_s + record["load"]["measure_s"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_annotations_are_the_windows_the_openings_and_the_trials_of_the_session(
    pair: Replayed, board: Mapping[str, Any]
) -> None:
    assert set(board_annotations(board)) == {"Windows", "Openings of windows", "Trials", "Alerts"}
    spans = list(_spans(pair.session.folder))
    for series in _annotated(pair, board, "Windows"):
        moments = [float(at) for at, _ in series["values"]]
        own = [(opens_s, closes_s) for stack, opens_s, closes_s in spans if stack == series["metric"]["stack"]]
        assert moments
        assert all(any(opens_s - 1e-3 <= at <= closes_s + 6 for opens_s, closes_s in own) for at in moments)
    opened = {
        (series["metric"]["stack"], int(series["metric"]["users"]), round(float(value)))
        for series in _annotated(pair, board, "Openings of windows")
        for _, value in series["values"]
    }
    assert opened >= {(w.stack, w.users, round(w.load.opened_unix_s * 1e3)) for w in pair.session.sweep}
    trials = {series["metric"]["trial"] for series in _annotated(pair, board, "Trials")}
    assert trials >= {window.id for window in pair.session.run.windows}


def test_what_every_query_said_is_kept_in_the_bundle(pair: Replayed) -> None:
    folder = keep_queries(pair.session.folder, checkout(), pair.history, pair.span, source="replay")
    kept = {path.stem: orjson.loads(path.read_bytes()) for path in folder.glob("*.json")}
    assert set(kept) == {board["uid"] for board in BOARDS}
    for board in BOARDS:
        record = kept[board["uid"]]
        asked = {(one["panel"], one["ref"]) for one in record["queries"]}
        assert asked == {(query.panel, query.ref) for query in board_queries(board)}
        assert record["run"] == pair.session.folder.name
        assert {one["name"]: one["expr"] for one in record["annotations"]} == board_annotations(board)
        told = {one["name"] for one in record["annotations"] if one["result"]}
        assert told == {"Windows", "Openings of windows", "Trials"}, "a replay evaluates no alerts"
    answered = next(q for q in kept["loadlab-threshold"]["queries"] if q["title"] == "How many users are there?")
    moments = [float(at) for at, _ in answered["result"][0]["values"]]
    assert pair.span.start_s <= moments[0]
    assert moments[-1] <= pair.span.end_s
    assert {float(value) for _, value in answered["result"][0]["values"]} >= {6.0, 12.0}
    prices = {q["variables"]["list"] for q in kept["loadlab-cost"]["queries"] if "list" in q["variables"]}
    assert prices == {name for name, _ in PRICES}


def _sorted(found: list[Series]) -> list[Series]:
    return sorted(found, key=lambda one: sorted(one["metric"].items()))
