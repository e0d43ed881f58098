from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import make_plan, make_provenance
from loadlab.execute.processes import ChildProcesses
from loadlab.execute.store import BundleStore
from simulated import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test owns."""
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[BundleStore]:
    """An open bundle with provenance and a plan of two blocks."""
    with BundleStore(tmp_path / "unit-run", clock) as opened:
        opened.put_text("experiment.toml", 'id = "unit"\n')
        opened.put_provenance(make_provenance())
        opened.put_plan(make_plan())
        yield opened


@pytest.fixture
def children() -> Iterator[ChildProcesses]:
    """Real child processes; all of them ended with the test."""
    with ChildProcesses() as started:
        yield started
