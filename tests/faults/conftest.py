"""A clean run to compare with, engines that are cleaned up, and a count of everything at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_process import Engine, running_engines
from faults.cases import Fault, draw
from faults.clean_run import CLOCK, EXPERIMENT, PRELUDE, SWAPPED, TRUE_OVER, TRUE_UNDER, Clean, made_once, milestones

COUNT = int(os.environ.get("FAULT_CASES", "40"))
CLEAN_TRIES = 12
"""On a busy host two blocks often decide nothing: five in a row were seen. What is false is never tried again."""
SEED = int(os.environ.get("FAULT_SEED", "20261126"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each drawn fault."""
    if "fault" in metafunc.fixturenames:
        faults = draw(COUNT, SEED)
        metafunc.parametrize("fault", faults, ids=[fault.id for fault in faults])


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that moves the wall clock of the engines of this test."""
    return tmp_path / "clock"


@pytest.fixture
def start(tmp_path: Path, clock: Path, fault: Fault) -> Iterator[Callable[..., Engine]]:
    """Start `loadlab run ...`, brief where the cases do not look, with a wall clock that can be moved."""
    with running_engines(tmp_path, prelude=PRELUDE, env={CLOCK: str(clock), SWAPPED: str(fault.number % 2)}) as run:
        yield run


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """An undisturbed run, made by the first process of pytest that asks; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Clean(milestones=made_once(shared / "clean.told", lambda: _clean_milestones(shared / "clean")))


def _clean_milestones(folder: Path) -> int:
    """Of a run that finds what is true. Other work here may keep some from it, and none may find what is false."""
    seen = []
    for number in range(CLEAN_TRIES):
        engine = _clean_run(folder / str(number))
        bracket = engine.results()["bracket"]
        seen.append((bracket["lower_users"], bracket["upper_users"]))
        if seen[-1] == (TRUE_UNDER, TRUE_OVER):
            return milestones(engine.events())
        assert seen[-1][0] in (None, TRUE_UNDER), seen
        assert seen[-1][1] in (None, TRUE_OVER), seen
    raise AssertionError(f"undisturbed runs found {seen}, the truth is ({TRUE_UNDER}, {TRUE_OVER}]")


def _clean_run(folder: Path) -> Engine:
    folder.mkdir(parents=True)
    env = {CLOCK: str(folder / "clock"), SWAPPED: "0"}
    engine = Engine(folder, "run", str(EXPERIMENT), "--no-queries", prelude=PRELUDE, env=env)
    code = engine.ended()
    assert code in (0, 4, 5), engine.output
    assert engine.orphans() == []
    return engine


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Books of all cases together, as the tests recorded them."""
    told = [
        dict(report.user_properties)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        if report.when == "call" and report.user_properties
    ]
    if told:
        keys = ("struck", "windows", "requests", "lost", "decided", "unbooked")
        sums = {key: sum(int(one.get(key, 0)) for one in told) for key in keys}
        terminalreporter.write_line(
            f"faults: {len(told)} cases, {sums['struck']} struck, {sums['windows']} windows whose books were added up "
            f"where they have some, {sums['requests']} requests in them, {sums['lost']} lost by the books; "
            f"{sums['decided']} runs have an end of their bracket; {sums['unbooked']} windows had no books"
        )
