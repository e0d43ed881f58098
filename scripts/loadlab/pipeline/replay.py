"""A bundle in a real Prometheus, and what every query of the boards says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from loadlab.config.prices import load_price_lists
from loadlab.errors import BundleError, LoadlabError
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.kubectl import find_tool
from loadlab.execute.durable import write_whole
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.replay.history import History
from loadlab.execute.replay.server import EVERY_S, Replay, Tools
from loadlab.execute.scrapes import read_scrapes
from loadlab.execute.store import BundleStore
from loadlab.model.experiment import Experiment
from loadlab.pipeline.bundle import experiment_of, prices_of
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.replay_text import write_openmetrics
from loadlab.pipeline.rig import Rig
from loadlab.report.board_queries import Choice, board_queries, expanded, typed_defaults
from loadlab.report.price_rules import price_rules

QUERIES = "queries"
PRICE_RULES = "prices.yaml"
MOST_POINTS = 720
AFTER_S = 2 * EVERY_S
"""So that rules have seen what the last exposition said, and a step falls behind that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From the first to the last exposition, or window, of a session."""

    start_s: float
    end_s: float

    @property
    def step_s(self) -> float:
        """Whole evaluations of the rules, and not more points than a panel has room for."""
        return EVERY_S * max(1, -(-(self.end_s - self.start_s) // (EVERY_S * MOST_POINTS)))


@contextmanager
def replayed(folder: Path, layout: Layout, port: int = 0) -> Iterator[tuple[str, Span]]:
    """The address of a Prometheus that holds the session, rules included, and the session's span; it ends on leaving.

    Prices are the bundle's own, as in its results.

    Raises:
        BundleError: the bundle is not a run, or nothing was measured in it.
        ClusterError: prometheus or promtool is not on this machine.
        DeployError: one of them refuses.
    """
    tools = Tools(prometheus=find_tool("prometheus", layout.tools), promtool=find_tool("promtool", layout.tools))
    span = span_of(folder)
    with TemporaryDirectory(prefix="loadlab-replay-") as temporary, ChildProcesses() as children:
        place = Path(temporary)
        replay = Replay(tools, place, children, SystemClock(), port)
        replay.load(write_openmetrics(folder, layout, place / "session.om"))
        prices = place / PRICE_RULES
        prices.write_text(price_rules(load_price_lists(prices_of(folder, layout.prices)).values()), encoding="utf-8")
        others = [path for path in rule_files(layout) if path.name != PRICE_RULES]
        replay.fill_rules([prices, *others], start_s=span.start_s, end_s=span.end_s)
        with replay.served() as url:
            yield url, span


def rule_files(layout: Layout) -> list[Path]:
    """The lab's recording rules."""
    return sorted((layout.k8s / "base" / "prometheus" / "rules").glob("*.yaml"))


def span_of(folder: Path) -> Span:
    """Raises BundleError for a bundle in which nothing was measured."""
    moments = [scrape.unix_s for scrape in read_scrapes(folder)]
    for window in BundleStore(folder, SystemClock()).load().windows:
        moments += [window.load.opened_unix_s, window.load.opened_unix_s + window.load.measure_s]
    if not moments:
        raise BundleError(f"{folder}: nothing was measured in it, so there is nothing to replay; take another run")
    return Span(start_s=min(moments), end_s=max(moments) + AFTER_S)


def write_queries(folder: Path, layout: Layout) -> Path:
    """Replay the bundle and keep what every board's queries say in ``queries/``. Raises as `replayed`."""
    with replayed(folder, layout) as (url, span):
        return keep_queries(folder, layout, History(url), span, source="replay")


def keep_queries(folder: Path, layout: Layout, history: History, span: Span, *, source: str) -> Path:
    """Ask every query of every board over the session, and write one file for each board.

    source: whose data it is: "replay" of the bundle's own expositions, or the Prometheus that scraped the session.
    """
    experiment, version = experiment_of(folder), history.version()
    (folder / QUERIES).mkdir(exist_ok=True)
    for path in board_files(layout):
        board = orjson.loads(path.read_bytes())
        record = {
            "board": board["uid"],
            "run": folder.name,
            "source": source,
            "prometheus": version,
            "start_s": span.start_s,
            "end_s": span.end_s,
            "step_s": span.step_s,
            "queries": list(_answers(board, experiment, history, span)),
        }
        content = orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_whole(folder / QUERIES / f"{board['uid']}.json", content)
    return folder / QUERIES


def keep_live_queries(rig: Rig, folder: Path, layout: Layout) -> None:
    """Keep what the Prometheus that scraped the run says, where there is one; that it could not is an event.

    It is asked once it has scraped the last level, and evaluated the rules on it.
    """
    url = rig.prometheus()
    if url is None:
        return
    rig.progress.stage("keeping what the boards show of this run")
    rig.clock.sleep(AFTER_S)
    try:
        keep_queries(folder, layout, History(url), span_of(folder), source="scraped")
    except LoadlabError as error:
        rig.store.event("queries_not_kept", {"reason": str(error)})


def board_files(layout: Layout) -> list[Path]:
    """The boards as Grafana reads them."""
    return sorted((layout.root / "grafana" / "dashboards").glob("*.json"))


def _answers(
    board: Mapping[str, Any], experiment: Experiment, history: History, span: Span
) -> Iterator[Mapping[str, Any]]:
    for query in board_queries(board):
        for choices in _choices(experiment, typed_defaults(board)):
            chosen = {name: choices[name] for name in sorted(query.variables)}
            expr = expanded(query.expr, choices)
            yield {
                "panel": query.panel,
                "title": query.title,
                "ref": query.ref,
                "legend": query.legend,
                "unit": query.unit,
                "variables": chosen,
                "expr": expr,
                "result": history.query_range(expr, start_s=span.start_s, end_s=span.end_s, step_s=span.step_s),
            }
            if not {"list", "billing"} & query.variables:
                break


def _choices(experiment: Experiment, typed: Mapping[str, str]) -> Iterator[Mapping[str, Choice]]:
    """All stacks at once, and each price that the experiment names in its turn."""
    stacks = [stack.name for stack in experiment.stacks]
    prices: list[tuple[str, str]] = [(price.list_id, price.billing) for price in experiment.prices]
    ratio = f"{experiment.objective.good_ratio:g}"
    for price, billing in prices or [("", "")]:
        yield {**typed, "good_ratio": ratio, "stack": stacks, "list": price, "billing": billing}
