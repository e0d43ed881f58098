"""`loadlab report RUN --openmetrics`: a bundle's expositions as one text with times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from loadlab.analysis.billing import make_tariffs
from loadlab.config.prices import load_price_lists
from loadlab.execute.clock import SystemClock
from loadlab.execute.durable import write_whole
from loadlab.execute.scrapes import GENERATOR, GENERATOR_SUFFIX, read_scrapes
from loadlab.execute.store import BundleStore
from loadlab.model.run import Window
from loadlab.pipeline.bundle import experiment_of, prices_of
from loadlab.pipeline.layout import Layout
from loadlab.pipeline.level_board import level_history
from loadlab.pipeline.phase import declared, role_of
from loadlab.pipeline.span import span_of
from loadlab.report.level_series import level_series, without_levels
from loadlab.report.openmetrics import Scraped, openmetrics
from loadlab.report.told import Told
from loadlab.report.window_series import PRICE_NAMED, declared_series, given_series, window_series


def openmetrics_of(folder: Path, layout: Layout) -> Iterator[str]:
    """The session, line by line. Levels are of the windows that the report counts, whatever was told meanwhile.

    Raises:
        BundleError: the bundle is not a run, damaged, or newer than this program.
    """
    return openmetrics([*_untold(folder, layout), *_told(folder)])


def write_openmetrics(folder: Path, layout: Layout, path: Path) -> Path:
    """Write it into a file. Raises BundleError."""
    write_whole(path, "".join(openmetrics_of(folder, layout)).encode())
    return path


def _told(folder: Path) -> Iterator[Scraped]:
    for scrape in read_scrapes(folder):
        yield replace(scrape, text=without_levels(scrape.text)) if scrape.labels == GENERATOR else scrape


def _untold(folder: Path, layout: Layout) -> Iterator[Told]:
    """Levels, what was declared, and what is known of windows beside which no exposition of the generator lies."""
    run = BundleStore(folder, SystemClock()).load()
    if not run.windows:
        return
    experiment = experiment_of(folder)
    tariffs = make_tariffs(experiment.prices, load_price_lists(prices_of(folder, layout.prices)), experiment.resources)
    history = ((_closed_s(window), rows) for window, rows in level_history(experiment, run, tariffs))
    span, said = span_of(folder), declared(experiment, folder.name, tariffs)
    yield from level_series(history, GENERATOR, span.end_s)
    yield from declared_series(said, GENERATOR, (span.start_s, span.end_s))
    if not any(PRICE_NAMED in scrape.text for scrape in read_scrapes(folder)):
        known = said if run.provenance.target == "local" else {**said, "cores": {}}
        yield from given_series(known, GENERATOR, (span.start_s, span.end_s))
    lacking = [w for w in run.windows if not (folder / "scrapes" / f"{w.id}{GENERATOR_SUFFIX}").exists()]
    yield from window_series(lacking, said, _roles(lacking), GENERATOR)


def _closed_s(window: Window) -> float:
    return window.load.opened_unix_s + window.load.measure_s


def _roles(windows: Iterable[Window]) -> Mapping[str, str]:
    return {window.id: role_of(window) for window in windows}
