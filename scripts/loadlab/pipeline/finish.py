"""From a bundle to results.json, report.html and report.md; from results.json alone to the reports again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadlab.analysis.analyse import analyse
from loadlab.config.prices import load_price_lists
from loadlab.errors import PROGRAM, BundleError
from loadlab.execute.clock import SystemClock
from loadlab.execute.durable import write_whole
from loadlab.execute.store import BundleStore, writer
from loadlab.model.result import Analysis
from loadlab.pipeline.bundle import EXPERIMENT, RESULTS, check_rules, experiment_of, prices_of
from loadlab.pipeline.layout import Layout
from loadlab.report.render import render_files
from loadlab.report.results import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a run left for people: its folder and its results as data.

    asked_to_stop: after its last window; what it can do without is left out then.
    """

    folder: Path
    results: Mapping[str, Any]
    asked_to_stop: bool = field(default=False, compare=False)

    @property
    def html(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def current_report(folder: Path, layout: Layout) -> Report:
    """The reports of what the bundle holds: rendered from results.json, or analysed first where that is out of date.

    Raises:
        BundleError: the bundle is not a run, damaged, newer than this program, or holds no finished block.
    """
    return render(folder) if is_current(folder) else analyse_bundle(folder, layout)


def is_current(folder: Path) -> bool:
    """Whether results.json is there and tells of every finished block and every resume.

    Told by what it says and not by times of files, which do not survive a copy. Results without a run beside them
    have nothing to be older than.
    """
    path = folder / RESULTS
    if not path.exists():
        return False
    if not (folder / "events.jsonl").exists():
        return True
    results = _read_results(path)
    store = BundleStore(folder, SystemClock())
    told = (results["counts"]["blocks"], len(results["provenance"].get("resumed", ())))
    return told == (len(store.progress().finished), len(store.provenance().resumed))


def analyse_bundle(folder: Path, layout: Layout) -> Report:
    """Judge what a bundle holds and write results and reports into it.

    Raises:
        BundleError: the bundle is not a run, damaged, newer than this program, or holds no finished block.
    """
    store = BundleStore(folder, SystemClock())
    analysis = _analysis(store, folder, layout)
    write_whole(folder / RESULTS, to_json(analysis))
    return render(folder)


def render(folder: Path) -> Report:
    """Write the reports from results.json; byte for byte the same every time, without network."""
    path = folder / RESULTS
    if not path.exists():
        raise BundleError(f"{path}: there is none; make it with: {PROGRAM} report {folder}")
    results = _read_results(path)
    for name, content in render_files(results).items():
        write_whole(folder / name, content)
    return Report(folder=folder, results=results)


def _read_results(path: Path) -> dict[str, Any]:
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); the bundle is damaged, use another copy"
        ) from None


def _analysis(store: BundleStore, folder: Path, layout: Layout) -> Analysis:
    run = store.load()
    progress = store.progress()
    pid = writer(folder)
    if pid is not None and (progress.plan is None or not run.windows):
        raise BundleError(f"{folder}: it is running (process {pid}) and no block is finished yet; wait for that")
    if not progress.demands:
        raise BundleError(
            f"{folder}: nothing was measured, so there is nothing to judge and nothing to lose; start the run anew"
        )
    if progress.plan is None or not run.windows:
        raise BundleError(
            f"{folder}: no block was finished, so there is nothing to judge yet; "
            f"go on with: {PROGRAM} run --resume {folder}"
        )
    prices = load_price_lists(prices_of(folder, layout.prices))
    experiment = experiment_of(folder)
    check_rules(folder, experiment, progress.plan)
    return analyse(experiment, progress.plan, run, prices, (folder / EXPERIMENT).read_text())
