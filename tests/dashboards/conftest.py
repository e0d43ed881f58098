from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadlab.execute.lab.toolbox import Toolbox

ROOT = Path(__file__).resolve().parents[2]


def _tool(name: str) -> Path:
    return Toolbox(ROOT, environ=os.environ, say=print).ensure(name)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The one on PATH or in .tools/bin, brought when it is in neither."""
    return _tool("promtool")


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The server, brought like promtool."""
    return _tool("prometheus")
