"""``python tests/bench [--only NAME] [--quick] [--with-tests] [--profile] [--keep-awake] [--out FILE]``; ``--compare``,
``--publish``.

Exit codes: 0 every bar met, 1 a bar missed or a measure failed, 2 usage, 130 interrupted; of a comparison 1 where a bar
that the first file met is missed in the second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.arena import Arena, MeasureError, available_cores
from bench.compare import NOW_MISSED, compare_text
from bench.figures import Figure, at_least
from bench.measure_arrivals import measure_arrivals
from bench.measure_awake import measure_awake
from bench.measure_bundle import measure_bundle
from bench.measure_clients import measure_clients
from bench.measure_contract import measure_contract
from bench.measure_controls import measure_controls
from bench.measure_coverage import measure_coverage
from bench.measure_faults import measure_faults
from bench.measure_garbage import measure_garbage
from bench.measure_golden import measure_golden
from bench.measure_help import measure_help
from bench.measure_lab import measure_lab
from bench.measure_recorder import measure_recorder
from bench.measure_scrape import measure_scrape
from bench.measure_services import measure_services
from bench.measure_side_by_side import measure_side_by_side
from bench.measure_stages import measure_both_stages, measure_far_off, measure_placed, measure_same_width
from bench.measure_upstream import measure_upstream
from bench.measure_whole import measure_quick, measure_tests
from bench.publish import publish
from bench.record import Measured, RecordError, read_bench, write_bench
from bench.surroundings import Watch
from bench.table import table_text
from loadlab.errors import LoadlabError
from loadlab.execute.machine import Machine
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.wakefulness import KeptAwake, check_quota

ROOT = Path(__file__).resolve().parents[2]
Measure = Callable[[Arena], Iterator[Figure]]
MEASURES: dict[str, Measure] = {
    "recorder": measure_recorder,
    "golden": measure_golden,
    "arrivals": measure_arrivals,
    "side-by-side": measure_side_by_side,
    "services": measure_services,
    "upstream": measure_upstream,
    "awake": measure_awake,
    "scrape": measure_scrape,
    "bundle": measure_bundle,
    "help": measure_help,
    "coverage": measure_coverage,
    "garbage": measure_garbage,
    "contract": measure_contract,
    "clients": measure_clients,
    "quick": measure_quick,
    "same-width": measure_same_width,
    "placed": measure_placed,
    "both-stages": measure_both_stages,
    "far-off": measure_far_off,
    "controls": measure_controls,
    "lab": measure_lab,
    "faults": measure_faults,
    "tests": measure_tests,
}
LONG = ("quick", "placed", "both-stages", "far-off", "controls", "lab", "faults")
"""Left out by --quick unless asked for by name."""
WHOLE_RUNS = ("quick", "placed", "both-stages", "far-off")
"""Real runs of an experiment by `whole_run`, which are told to keep cores awake."""
LEFT_ALONE = ("awake", "controls", "coverage", "same-width")
"""Keeps cores awake by turns itself, or measures nothing of this machine."""


def main(arguments: Sequence[str]) -> int:
    """Measure, compare, or publish."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.compare:
            text = compare_text(*(read_bench(Path(name)) for name in asked.compare))
            print(text)
            return 1 if NOW_MISSED in text else 0
        if asked.publish:
            print(publish([Path(name) for name in asked.publish], ROOT, tuple(MEASURES)))
            return 0
        return _measure_all(asked)
    except RecordError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured is in the file", file=sys.stderr)
        return 130


def wanted(only: Sequence[str] | None, *, quick: bool, with_tests: bool) -> tuple[str, ...]:
    """Which measures to make, in their order."""
    if only:
        return tuple(name for name in MEASURES if name in only)
    left_out = {*(LONG if quick else ()), *(() if with_tests else ("tests",))}
    return tuple(name for name in MEASURES if name not in left_out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description="The lab's measures with their bars, as ratios in one run."
    )
    parser.add_argument("--only", action="append", choices=tuple(MEASURES), help="this measure alone; repeatable")
    parser.add_argument("--quick", action="store_true", help="short windows and few repeats, no whole runs")
    parser.add_argument("--with-tests", action="store_true", help="also time `make test`")
    parser.add_argument("--profile", action="store_true", help="say where each stack's time goes (cProfile)")
    parser.add_argument("--keep-awake", action="store_true", help="keep idle cores awake (window.keep_awake)")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), metavar="FILE", help="default: bench.json")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="compare two such files and measure nothing")
    parser.add_argument("--publish", nargs="+", metavar="FILE", help="put the figures of such files into docs/bench.md")
    return parser


def _measure_all(asked: argparse.Namespace) -> int:
    started, measured = datetime.now(UTC), list[Measured]()
    out: Path = asked.out.absolute()
    if not out.parent.is_dir():
        raise RecordError(f"--out {asked.out}: the folder {out.parent} does not exist; make it first")
    for name in wanted(asked.only, quick=asked.quick, with_tests=asked.with_tests):
        measured.append(_measured(name, asked))
        write_bench(out, measured, started=started, quick=asked.quick, root=ROOT)
    print(table_text(measured))
    print(f"\nwritten to {out}")
    return 1 if any(figure.ok is False for each in measured for figure in each.figures) else 0


def _measured(name: str, asked: argparse.Namespace) -> Measured:
    """One measure in a folder of its own; whatever it started ends with it."""
    watch, figures = Watch(), list[Figure]()
    with tempfile.TemporaryDirectory(prefix="loadlab-bench-") as folder, ChildProcesses() as children:
        arena = Arena(
            root=ROOT,
            folder=Path(folder),
            cores=available_cores(),
            children=children,
            quick=asked.quick,
            profile=asked.profile,
            awake=asked.keep_awake,
            say=_say,
        )
        try:
            with _kept_awake(name, arena):
                figures.extend(MEASURES[name](arena))
        except (MeasureError, LoadlabError) as error:
            _say(f"{name}: {error}")
            figures.append(_failed(name, str(error)))
    return Measured(
        measure=name,
        figures=tuple(figures),
        surroundings=watch.read(kept_awake=asked.keep_awake and name not in LEFT_ALONE),
    )


@contextmanager
def _kept_awake(name: str, arena: Arena) -> Iterator[None]:
    """Where that is asked for; the runs of whole experiments do it themselves. Raises as its start and check do."""
    cores = arena.cores.sut | arena.cores.rest
    is_kept = arena.awake and name not in (*WHOLE_RUNS, *LEFT_ALONE)
    kept = KeptAwake(arena.children, cores if is_kept else frozenset(), arena.folder)
    if arena.awake:
        check_quota("--keep-awake", len(cores), Machine().cpu_quota_cores())
    kept.start()
    yield
    kept.check()


def _failed(name: str, why: str) -> Figure:
    """Stands for a measure that could not be made, so that it cannot pass unseen."""
    return Figure(name=f"{name} (not measured)", value=None, unit="", bar=at_least(0.0), how="failed", note=why)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
