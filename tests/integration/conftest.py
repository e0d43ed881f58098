from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_process import Engine, running_engines
from resumed_run import ResumedRun, killed_and_resumed


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start `loadlab run ...` in a folder of its own."""
    with running_engines(tmp_path) as run:
        yield run


@pytest.fixture(scope="session")
def resumed_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResumedRun]:
    """One for all tests that only read it, which are on one worker (tests/conftest.py)."""
    folder = tmp_path_factory.mktemp("resumed")
    with running_engines(folder) as run:
        yield killed_and_resumed(run, folder)
