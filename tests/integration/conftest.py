from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_process import Engine


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start `loadlab run ...`; whatever still runs at the end is killed, and nothing may be left behind."""
    engines: list[Engine] = []

    def run(*words: str, prelude: str = "", env: dict[str, str] | None = None) -> Engine:
        engines.append(Engine(tmp_path, "run", *words, prelude=prelude, env=env))
        return engines[-1]

    yield run
    for engine in engines:
        if engine.process.poll() is None:
            engine.process.kill()
            engine.ended()
    assert [line for engine in engines for line in engine.orphans()] == []
