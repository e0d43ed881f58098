"""Windows shorter than the interval of scrapes: their spans get lost between two scrapes, their openings do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from builders_session import make_session
from loadlab.execute.clock import SystemClock
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.replay.history import History
from loadlab.execute.replay.server import Replay, Tools
from loadlab.execute.scrapes import GENERATOR, Scrape, read_scrapes
from loadlab.execute.store import BundleStore
from loadlab.pipeline.layout import checkout
from loadlab.pipeline.replay import board_files
from loadlab.pipeline.span import Span, span_of
from loadlab.report.board_queries import board_annotations
from loadlab.report.openmetrics import openmetrics

EVERY_S, MEASURE_S = 5, 1.5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("short") / "session"
    make_session(folder, measure_s=MEASURE_S)
    return folder


def _seen(bundle: Path) -> Iterator[Scrape]:
    """What somebody reads who looks every five seconds: the last of each such stretch."""
    own = sorted((one for one in read_scrapes(bundle) if one.labels == GENERATOR), key=lambda one: one.unix_s)
    yield from {one.unix_s // EVERY_S: one for one in own}.values()


@pytest.fixture(scope="module")
def asked(
    bundle: Path, promtool: Path, prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[History, Span]]:
    folder = tmp_path_factory.mktemp("replay")
    with ChildProcesses() as children:
        replay = Replay(Tools(prometheus=prometheus, promtool=promtool), folder, children, SystemClock())
        (folder / "session.om").write_text("".join(openmetrics(_seen(bundle))))
        replay.load(folder / "session.om")
        with replay.served() as served:
            yield History(served.url), span_of(bundle)


def _values(asked: tuple[History, Span], name: str) -> list[tuple[float, float]]:
    """Moment and value, of all series of an annotation."""
    history, span = asked
    expr = board_annotations(orjson.loads(board_files(checkout())[0].read_bytes()))[name]
    found = history.query_range(expr, start_s=span.start_s, end_s=span.end_s, step_s=1)
    return [(float(at), float(value)) for series in found for at, value in series["values"]]


def _opened_ms(bundle: Path) -> set[int]:
    """Of every window that there was, those of the demands too."""
    records = [orjson.loads(path.read_bytes()) for path in (bundle / "windows").glob("*.json")]
    return {round(record["load"]["opened_unix_s"] * 1e3) for record in records}


def test_every_opening_is_seen_and_stands_where_the_window_opened(bundle: Path, asked: tuple[History, Span]) -> None:
    assert {round(value) for _, value in _values(asked, "Openings of windows")} == _opened_ms(bundle)


def test_spans_alone_would_lose_windows(bundle: Path, asked: tuple[History, Span]) -> None:
    """What the openings are for: without them this test would not be needed."""
    windows = BundleStore(bundle, SystemClock()).load().windows
    scrapes_s = [one.unix_s for one in _seen(bundle)]
    inside = [w for w in windows if any(0 <= at - w.load.opened_unix_s < MEASURE_S for at in scrapes_s)]
    assert len(inside) < len(windows)
