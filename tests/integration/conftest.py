from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_process import Engine, running_engines


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start `loadlab run ...` in a folder of its own."""
    with running_engines(tmp_path) as run:
        yield run
