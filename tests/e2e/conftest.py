"""The lab that experiments run on: one that is up already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadlab.execute.cluster.state import LabFolder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lab() -> Path:
    """The ``.lab`` folder of a running lab."""
    folder = LabFolder(root=ROOT / ".lab")
    if not folder.cluster(os.environ).kubeconfig.exists():
        pytest.fail("no lab is up: run `make lab-up` first")
    return folder.root
