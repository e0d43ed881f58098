"""The lab on a real kind cluster: raised when a test needs it, and left as it was found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_verbs import ROOT, Verbs
from loadlab.execute.cluster.state import LabFolder


@pytest.fixture(scope="session")
def verbs() -> Iterator[Verbs]:
    """The lab is up or down at the end as it was at the beginning."""
    if "LAB_KUBECONFIG" in os.environ:
        pytest.fail("LAB_KUBECONFIG names a cluster that is not the lab's own: these tests raise and remove kind's")
    verbs = Verbs(folder=LabFolder(root=ROOT / ".lab"))
    was_there = verbs.is_there
    yield verbs
    verbs("up" if was_there else "down")


@pytest.fixture
def lab(verbs: Verbs) -> Path:
    """The ``.lab`` folder of a lab that is up."""
    if not verbs.is_there or '"is_up": true' not in verbs.folder.record.read_text():
        verbs("up")
    return verbs.folder.root
