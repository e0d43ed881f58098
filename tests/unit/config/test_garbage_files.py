"""Whatever stands in an experiment file: a plan, or one line; 10 000 of them are a measure of the bench."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from garbage import experiment_files, plan, wrong
from loadlab.errors import ConfigError
from loadlab.pipeline.layout import Layout, checkout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The repository, with no runs."""
    return checkout(tmp_path / "runs")


@given(content=experiment_files())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_no_experiment_file_ends_in_a_traceback(content: bytes, layout: Layout, tmp_path: Path) -> None:
    assert wrong(lambda: plan(tmp_path / "mine.toml", content, layout)) is None


def _divides() -> object:
    return 1 / 0


def _refuses(told: str) -> object:
    raise ConfigError(told)


def test_what_is_no_refusal_is_told_with_its_place() -> None:
    assert str(wrong(_divides)).startswith("ZeroDivisionError at test_garbage_files.py:")
    assert str(wrong(lambda: _refuses("two\nlines"))).startswith("refused in other than one line")
    assert str(wrong(lambda: _refuses(" "))).startswith("refused in other than one line")
    assert wrong(lambda: _refuses("one line")) is None
