from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.arena import Arena, available_cores
from bench.command import ROOT
from loadlab.execute.processes import ChildProcesses


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """A bench's surroundings, whose children end with the test."""
    with ChildProcesses() as children:
        yield Arena(
            root=ROOT,
            folder=tmp_path,
            cores=available_cores(),
            children=children,
            quick=True,
            profile=False,
            say=lambda _: None,
        )
