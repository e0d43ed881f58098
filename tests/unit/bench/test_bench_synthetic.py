"""The made-up run that the bench analyses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.synthetic import make_bundle
from loadlab.execute.clock import SystemClock
from loadlab.execute.store import BundleStore
from loadlab.stats.histogram import decode


def test_a_made_bundle_is_a_full_strength_run_with_the_requests_asked_for_each_of_them_in_a_histogram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = make_bundle(tmp_path / "run", 30_000)
    assert 30_000 <= made.requests <= 30_600
    run = BundleStore(made.folder, SystemClock()).load()
    assert run.complete
    assert made.windows == len(run.windows) == 8 * (14 * 2 + 1)
    first = decode(run.windows[0].load.histogram)
    assert first.total == run.windows[0].load.ok
    assert len(first.values_s) > 20
