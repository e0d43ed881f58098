"""The noise that the decision tables are drawn with is that of the control runs that are committed."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean

import pytest

from bench.control_runs import read_runs
from bench.controls import ROWS
from bench.recorded_noise import stored_noise

ROOT = Path(__file__).resolve().parents[3]


def test_the_recorded_noise_is_of_the_rows_that_are_committed() -> None:
    """A run of whose blocks one has no pair is left out of the noise, and of few effects the truth is not known."""
    noise = stored_noise().runs
    rows = {run.name: run.control for run in read_runs(ROOT / ROWS) if run.control is not None}
    assert noise.keys() <= rows.keys()
    blocks = max(len(errors) for errors in noise.values())
    same = {name: control for name, control in rows.items() if name.startswith("plus0-") and control.blocks == blocks}
    assert len(same) >= 30
    assert same.keys() <= noise.keys(), "recorded_noise.py anew"
    for name, control in same.items():
        assert math.exp(fmean(noise[name])) == pytest.approx(control.ratio, abs=2e-6), f"{name}: recorded_noise.py anew"
