"""A burst of failures between two scrapes is seen by the board, for its series was there before at zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from _exporter import Exporter
from _ledger import Ledger
from _tally import FAILED, OK, ROW_WIDTH, Slice
from _totals import Totals

from builders_locust import make_now
from loadlab.execute.clock import SystemClock
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.replay.history import History
from loadlab.execute.replay.server import Replay, Tools
from loadlab.execute.scrapes import GENERATOR, Scrape
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.report.board_queries import board_queries, expanded
from loadlab.report.openmetrics import openmetrics

BEGAN_S = 1_790_000_000.0
EVERY_S = 5
BURST_AT_S, WELL_A_SECOND, BURST = 30, 100, 50


def _ended(second: int) -> Slice:
    """One second of answers, and in one of them a burst of refusals."""
    verdicts = [OK] * WELL_A_SECOND + [FAILED] * (BURST if second == BURST_AT_S else 0)
    rows = np.zeros((len(verdicts), ROW_WIDTH))
    for row, verdict in zip(rows, verdicts, strict=True):
        row[:] = (second, second, second + 0.5, 500.0, 200 if verdict == OK else 503, verdict)
    nothing = np.empty((0, 2))
    return Slice(second, second + 1.0, rows, np.empty(0), nothing, np.empty(0), nothing, nothing)


def _scrapes() -> Iterator[Scrape]:
    """What a Prometheus reads of Locust every 5 s for a minute, from before the load on."""
    ledger, totals = Ledger(), Totals(1.0)
    phase = {"stack": "flask", "stacks": ["flask", "fastapi"]}
    exporter = Exporter(lambda: replace(make_now(), phase=phase), ledger, BEGAN_S)
    ledger.turn_to("flask", phase["stacks"])
    for second in range(61):
        if second % EVERY_S == 0:
            ledger.note("worker", totals.message(str))
            yield Scrape(unix_s=BEGAN_S + second, labels=GENERATOR, text=exporter.text().decode())
        totals.fold(_ended(second))


@pytest.fixture
def history(promtool: Path, prometheus: Path, tmp_path: Path) -> Iterator[History]:
    with ChildProcesses() as children:
        replay = Replay(Tools(prometheus=prometheus, promtool=promtool), tmp_path, children, SystemClock())
        (tmp_path / "session.om").write_text("".join(openmetrics(_scrapes())))
        replay.load(tmp_path / "session.om")
        with replay.served() as served:
            yield History(served.url)


def _failing() -> str:
    """The board's query, of every stack."""
    boards = [orjson.loads(path.read_bytes()) for path in board_files(checkout())]
    queries = [query for board in boards for query in board_queries(board)]
    (query,) = [query for query in queries if query.title == "How many requests fail?"]
    return expanded(query.expr, {"stack": ["flask", "fastapi"]})


def test_failures_that_all_came_between_two_scrapes_are_a_ratio_and_not_zero(history: History) -> None:
    def ratios(second: float) -> dict[str, float]:
        moment_s = BEGAN_S + second
        found = history.query_range(_failing(), start_s=moment_s, end_s=moment_s, step_s=5)
        return {one["metric"]["stack"]: float(one["values"][-1][1]) for one in found}

    # Just before a scrape, so that 20 s hold four of them; the burst is in the third.
    assert ratios(29.9) == {"flask": 0.0}, "a stack without load has no ratio"
    assert ratios(44.9) == {"flask": pytest.approx(BURST / (15 * WELL_A_SECOND + BURST), rel=0.01)}
    assert ratios(59.9) == {"flask": 0.0}
