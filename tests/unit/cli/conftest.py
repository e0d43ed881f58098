from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import make_experiment
from loadlab.cli import main
from loadlab.pipeline.finish import analyse_bundle
from loadlab.pipeline.layout import checkout
from simulated_lab import make_lab

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Type:
    """Run the command line in this process: exit code, standard output, standard error. Doctor strains nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("loadlab.execute.doctor.strained_steal_ratio", lambda _, **__: 0.0)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["loadlab", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(scope="session")
def _reported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is simulated and reported once, for tests that each get a copy."""
    runs = tmp_path_factory.mktemp("reported")
    lab = make_lab(make_experiment(blocks=4, measure_s=8.0), runs / "unit-run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        lab.run()
        analyse_bundle(lab.folder, checkout(runs))
    return lab.folder


@pytest.fixture
def bundle(_reported_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reported run in runs/."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return shutil.copytree(_reported_run, tmp_path / "runs" / _reported_run.name)
