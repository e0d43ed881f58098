"""`loadlab report RUN --openmetrics`: a bundle's expositions as one text with times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from loadlab.pipeline.phase import declared, role_of
from loadlab.report.openmetrics import openmetrics
from loadlab.report.window_series import Told, window_series


def openmetrics_of(folder: Path, layout: Layout) -> Iterator[str]:
    """The session, line by line.

    Raises:
        BundleError: the bundle is not a run, damaged, or newer than this program.
    """
    return openmetrics([*_untold(folder, layout), *read_scrapes(folder)])


def write_openmetrics(folder: Path, layout: Layout, path: Path) -> Path:
    """Write it into a file. Raises BundleError."""
    write_whole(path, "".join(openmetrics_of(folder, layout)).encode())
    return path


def _untold(folder: Path, layout: Layout) -> Iterable[Told]:
    """What is known of finished windows beside which no exposition of the load generator lies."""
    run = BundleStore(folder, SystemClock()).load()
    lacking = [w for w in run.windows if not (folder / "scrapes" / f"{w.id}{GENERATOR_SUFFIX}").exists()]
    if not lacking:
        return ()
    experiment = experiment_of(folder)
    tariffs = make_tariffs(experiment.prices, load_price_lists(prices_of(folder, layout.prices)), experiment.resources)
    return window_series(lacking, declared(experiment, folder.name, tariffs), _roles(lacking), GENERATOR)


def _roles(windows: Iterable[Window]) -> Mapping[str, str]:
    return {window.id: role_of(window) for window in windows}
