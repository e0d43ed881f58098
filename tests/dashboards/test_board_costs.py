"""Cost of a level on a board is cost in results.json: the same windows, the same amounts, the same prices.

The session has two blocks whose windows differ, one pair that a gate refused and that was measured again, and one that
was refused as often as it was tried. What is left between board and report is said by the last test: what the report
rounds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders_session import PRICES, Mishaps, make_session
from known_answers import Session
from loadlab.analysis.alone import alone_bills, is_alone
from loadlab.analysis.billing import Tariff, make_tariffs
from loadlab.analysis.cost import usd_per_million_good
from loadlab.config.prices import load_price_lists
from loadlab.execute.replay.history import History
from loadlab.model.run import Window
from loadlab.pipeline.bundle import experiment_of
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files, replayed
from loadlab.report.board_queries import BoardQuery, board_queries, expanded

BOARDS = [orjson.loads(path.read_bytes()) for path in board_files(checkout())]
QUERIES = {(query.title, query.ref): query for board in BOARDS for query in board_queries(board)}
NEVER_WELL = ("b02-006-loop", "b02-006-loop-r1", "b02-006-loop-r2", "b02-006-loop-r3")
"""As often as a pair from which time is stolen is measured."""
MISHAPS = Mishaps(
    shares={"b01-012-pool": 0.5, "b02-012-pool": 0.9, "b02-012-loop": 0.97, **dict.fromkeys(NEVER_WELL, 0.4)},
    stolen=frozenset({"b01-012-pool", *NEVER_WELL}),
)
COUNTED = {
    ("pool", 6): ["b01-006-pool"],
    ("loop", 6): ["b01-006-loop"],
    ("pool", 12): ["b01-012-pool-r1", "b02-012-pool"],
    ("loop", 12): ["b01-012-loop-r1", "b02-012-loop"],
}
"""By hand: the pair of 12 users counts by its repeat in the first block, that of 6 users not at all in the second."""
MICRO = Decimal("0.000001")
Level = tuple[str, int]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Windows of 2.92 s, each of which a list that bills tenths of a second rounds up to 3.0 s."""
    folder = tmp_path_factory.mktemp("costs") / "session"
    make_session(folder, blocks=2, measure_s=2.92, mishaps=MISHAPS)
    return Session(folder)


@pytest.fixture(scope="module")
def asked(session: Session, prometheus: Path, promtool: Path) -> Iterator[tuple[History, float]]:
    """A Prometheus that holds the session, and its last moment."""
    assert promtool.exists()
    assert prometheus.exists()
    with replayed(session.folder, checkout()) as (served, span):
        yield History(served.url), span.end_s


def _board(asked: tuple[History, float], query: BoardQuery, list_id: str = "", billing: str = "") -> dict[Level, float]:
    history, end_s = asked
    expr = expanded(query.expr, {"stack": ["pool", "loop"], "list": list_id, "billing": billing, "good_ratio": "0.95"})
    found = history.query_range(expr, start_s=end_s, end_s=end_s, step_s=5)
    return {(s["metric"]["stack"], int(s["metric"]["users"])): float(s["values"][-1][1]) for s in found}


def _windows(session: Session, ids: Sequence[str]) -> list[Window]:
    return [window for window in session.run.windows if window.id in ids]


def _tariffs(session: Session) -> Mapping[str, Tariff]:
    experiment = experiment_of(session.folder)
    lists = load_price_lists(session.prices)
    return {tariff.list_id: tariff for tariff in make_tariffs(experiment.prices, lists, experiment.resources)}


def _exact(session: Session, tariff: Tariff, stack: str, windows: Sequence[Window]) -> Fraction:
    if is_alone(tariff):
        bill = alone_bills(tariff, session.run.demands, experiment_of(session.folder).objective, 0.0)[stack]
        assert bill.usd_per_million_good is not None
        return bill.usd_per_million_good
    usd = usd_per_million_good(tariff, windows)
    assert usd is not None
    return usd


def test_the_session_is_what_it_is_said_to_be(session: Session) -> None:
    used = {w["id"] for w in session.results["windows"] if w["used"]}
    assert used == {window for ids in COUNTED.values() for window in ids}
    refused = {w["id"] for w in session.results["windows"] if not w["valid"]}
    assert refused == MISHAPS.stolen


def test_levels_on_the_board_are_the_windows_that_count(asked: tuple[History, float]) -> None:
    counted = _board(asked, QUERIES["What did each level answer?", "B"])
    assert counted == {level: len(ids) for level, ids in COUNTED.items()}
    left_out = _board(asked, QUERIES["What did each level answer?", "C"])
    assert left_out == {("pool", 6): 4, ("loop", 6): 4, ("pool", 12): 1, ("loop", 12): 1}


def test_goodput_of_a_level_is_that_of_the_windows_that_count(session: Session, asked: tuple[History, float]) -> None:
    found = _board(asked, QUERIES["What did each level answer?", "A"])
    for level, ids in COUNTED.items():
        loads = [window.load for window in _windows(session, ids)]
        rate = sum(load.good for load in loads) / sum(load.measure_s for load in loads)
        assert found[level] == pytest.approx(rate, rel=1e-9), level


@pytest.mark.parametrize(("list_id", "billing"), [(p.list_id, p.billing) for p in PRICES])
def test_cost_of_a_level_is_that_of_results_json_and_differs_by_its_rounding_alone(
    session: Session, asked: tuple[History, float], list_id: str, billing: str
) -> None:
    """Within 1 % of what the report shows; and exactly the sum that the report rounds, so that nothing else differs."""
    found = _board(asked, QUERIES["What did each level cost?", "A"], list_id, billing)
    assert found.keys() == COUNTED.keys()
    for (stack, users), ids in COUNTED.items():
        shown = session.cost(stack, users, list_id)
        assert shown is not None
        assert found[stack, users] == pytest.approx(shown, rel=0.01)
        usd = _exact(session, _tariffs(session)[list_id], stack, _windows(session, ids))
        assert found[stack, users] == pytest.approx(float(usd), rel=1e-9)
        assert abs(float(usd) - shown) <= float(MICRO) / 2


def test_other_windows_would_have_cost_otherwise(session: Session) -> None:
    """By more than the hundredth that is allowed: with what was refused, with the last block alone, one by one."""
    tariffs = _tariffs(session)

    def cost(list_id: str, *ids: str) -> float:
        return float(_exact(session, tariffs[list_id], "pool", _windows(session, ids)))

    told = cost("aws-fargate-x86", *COUNTED["pool", 12])
    assert cost("aws-fargate-x86", *COUNTED["pool", 12], "b01-012-pool") > 1.1 * told
    assert cost("aws-fargate-x86", "b02-012-pool") > 1.04 * told
    loads = [window.load for window in _windows(session, COUNTED["pool", 12])]
    once_s = float(-(-sum(Fraction(load.active_s) for load in loads) // Fraction(1, 10)) / 10)
    each_s = sum(float(-(-Fraction(load.active_s) // Fraction(1, 10)) / 10) for load in loads)
    assert each_s > 1.01 * once_s, "tenths of a second are rounded up window by window"


def test_a_bundle_of_which_nothing_was_told_has_the_same_levels(
    session: Session, asked: tuple[History, float], tmp_path: Path
) -> None:
    """Levels of a replay are the bundle's, whatever the load generator said while it ran."""
    folder = tmp_path / "session"
    shutil.copytree(session.folder, folder)
    for path in (folder / "scrapes").glob("*.generator.om"):
        path.unlink()
    query = QUERIES["What does each price list say?", "A"]
    with replayed(folder, checkout()) as (served, span):
        mute = _priced((History(served.url), span.end_s), query)
    assert mute == pytest.approx(_priced(asked, query), rel=1e-12)
    assert len(mute) == len(COUNTED) * len(PRICES)


def _priced(asked: tuple[History, float], query: BoardQuery) -> dict[tuple[str, ...], float]:
    history, end_s = asked
    expr = expanded(query.expr, {"stack": ["pool", "loop"]})
    found: list[dict[str, Any]] = history.query_range(expr, start_s=end_s, end_s=end_s, step_s=5)
    return {tuple(value for _, value in sorted(s["metric"].items())): float(s["values"][-1][1]) for s in found}
