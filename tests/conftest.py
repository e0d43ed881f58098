"""What holds for every test: nothing known of this machine outside the checkout enters one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A calibration of whoever runs the tests must not change what they see; their children see none either."""
    before = os.environ.get("LOADLAB_STATE")
    folder = tmp_path_factory.mktemp("state")
    os.environ["LOADLAB_STATE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LOADLAB_STATE"]
    else:
        os.environ["LOADLAB_STATE"] = before
