"""A bundle in a real Prometheus, and what every query of the boards says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from loadlab.config.prices import load_price_lists
from loadlab.errors import PROGRAM, ClusterError, DeployError, LoadlabError
from loadlab.execute.clock import SystemClock
from loadlab.execute.cluster.kubectl import find_tool
from loadlab.execute.durable import write_whole, writing
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.replay.history import History
from loadlab.execute.replay.server import Replay, Served, Tools
from loadlab.model.experiment import Experiment
from loadlab.pipeline.bundle import QUERIES, experiment_of, prices_of
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.replay_text import write_openmetrics
from loadlab.pipeline.rig import Rig
from loadlab.pipeline.span import AFTER_S, Span, span_of
from loadlab.pipeline.stopping import stoppable
from loadlab.report.board_queries import Choice, board_annotations, board_queries, expanded, typed_defaults
from loadlab.report.price_rules import price_rules

PRICE_RULES = "prices.yaml"
LIVE_S = 60.0
"""All queries together, of the Prometheus that scraped a run: nobody waits longer for what the run can do without."""


@contextmanager
def replayed(folder: Path, layout: Layout, port: int = 0) -> Iterator[tuple[Served, Span]]:
    """A Prometheus that holds the session, rules included, and the session's span; it ends on leaving.

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
        with replay.served() as prometheus:
            yield prometheus, span


def rule_files(layout: Layout) -> list[Path]:
    """The lab's recording rules."""
    return sorted((layout.k8s / "base" / "prometheus" / "rules").glob("*.yaml"))


def write_queries(folder: Path, layout: Layout) -> Path:
    """Replay the bundle and keep what every board's queries say in ``queries/``.

    Raises:
        LoadlabError: as `replayed`, or a file or process that it needs cannot be made.
    """
    try:
        with replayed(folder, layout) as (prometheus, span):
            return keep_queries(folder, layout, History(prometheus.url), span, source="replay")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise DeployError(
            f"replay of {folder.name}: {place}{error.strerror or error}; mend that and call it again"
        ) from None


def keep_queries(folder: Path, layout: Layout, history: History, span: Span, *, source: str) -> Path:
    """Ask every query of every board over the session, and write one file for each board.

    source: whose data it is: "replay" of the bundle's own expositions, or the Prometheus that scraped the session.
    """
    experiment, version = experiment_of(folder), history.version()
    kept: dict[str, bytes] = {}
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
            "annotations": [
                {"name": name, "expr": expr, "result": _asked(history, expr, span)}
                for name, expr in board_annotations(board).items()
            ],
        }
        kept[board["uid"]] = orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    with writing(folder / QUERIES):
        (folder / QUERIES).mkdir(exist_ok=True)
    for uid, content in kept.items():
        write_whole(_kept_file(folder, uid), content)
    return folder / QUERIES


def _kept_file(folder: Path, uid: str) -> Path:
    return folder / QUERIES / f"{uid}.json"


def keep_live_queries(rig: Rig, folder: Path, layout: Layout) -> None:
    """Keep what the Prometheus that scraped the run says, where there is one; that it could not is an event.

    It is asked once it has scraped the last level, and evaluated the rules on it. The run is complete and reported:
    nothing that happens here changes how it ended.

    Raises:
        KeyboardInterrupt: it was asked to stop.
    """
    url = rig.prometheus()
    if url is None:
        return
    try:
        rig.progress.message("keeping what the boards show of this run")
        rig.clock.sleep(AFTER_S)
        ends_s = rig.clock.monotonic_s() + LIVE_S
        history = History(url, left_s=lambda: ends_s - rig.clock.monotonic_s())
        keep_queries(folder, layout, history, span_of(folder), source="scraped")
    except (LoadlabError, OSError, KeyboardInterrupt) as error:
        with suppress(LoadlabError):
            rig.store.event("queries_not_kept", {"reason": _reason(error)})
        if isinstance(error, KeyboardInterrupt):
            raise


def keep_replayed_queries(folder: Path, layout: Layout, say: Callable[[str], None]) -> None:
    """Keep what a replay of a finished run says, unless the Prometheus that scraped it said it already.

    say: is told in one line that it could not, and of an interruption: the run and its report are whole without.
    """
    line = ""
    try:
        with stoppable():
            if not _are_kept(folder, layout):
                line = f"queries: {write_queries(folder, layout)}"
    except ClusterError:
        line = (
            "the boards' view of this run is not kept without a Prometheus: `make tools`, then "
            f"`{PROGRAM} report {folder} --queries`"
        )
    except (LoadlabError, KeyboardInterrupt) as error:
        later = f"`{PROGRAM} report {folder} --queries` keeps it later"
        line = f"what the boards show of this run is not kept: {_reason(error)}; {later}"
    if line:
        with suppress(OSError):  # nobody reads it: the verdict was told
            say(line)


def _are_kept(folder: Path, layout: Layout) -> bool:
    """Whether every board has its file."""
    uids = (orjson.loads(path.read_bytes())["uid"] for path in board_files(layout))
    return all(_kept_file(folder, uid).exists() for uid in uids)


def _reason(error: BaseException) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


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
                "result": _asked(history, expr, span),
            }
            if not {"list", "billing"} & query.variables:
                break


def _asked(history: History, expr: str, span: Span) -> list[dict[str, Any]]:
    return history.query_range(expr, start_s=span.start_s, end_s=span.end_s, step_s=span.step_s)


def _choices(experiment: Experiment, typed: Mapping[str, str]) -> Iterator[Mapping[str, Choice]]:
    """All stacks at once, and each price that the experiment names in its turn."""
    stacks = [stack.name for stack in experiment.stacks]
    prices: list[tuple[str, str]] = [(price.list_id, price.billing) for price in experiment.prices]
    ratio = f"{experiment.objective.good_ratio:g}"
    for price, billing in prices or [("", "")]:
        yield {**typed, "good_ratio": ratio, "stack": stacks, "list": price, "billing": billing}
