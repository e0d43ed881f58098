from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders import make_experiment
from simulated_lab import Lab, make_lab


@pytest.fixture(autouse=True)
def _no_disk_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests stop the program, not the machine: flushing to the platter costs time and proves nothing here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A small simulated run."""
    return make_lab(make_experiment(), tmp_path / "unit-run")
