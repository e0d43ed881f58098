from __future__ import annotations

from typing import Any

import orjson
import pytest

from builders_report import Shape, build_analysis, without_measures
from builders_report_runs import all_invalid, capacity_run, incomplete_run
from loadlab.report.results import from_json, to_json

RUNS = {"all_invalid": all_invalid, "capacity": capacity_run, "incomplete": incomplete_run}
FULL_STRENGTH = Shape(levels=(10, 20, 30, 37, 40, 44, 48, 53, 58, 64, 70, 77, 85, 94), blocks=8, workers=4)


@pytest.fixture(scope="session")
def _quick_run() -> bytes:
    """As it was read and checked once, to be parsed anew for each test."""
    return orjson.dumps(from_json(to_json(build_analysis())))


@pytest.fixture
def results(_quick_run: bytes) -> dict[str, Any]:
    """A quick run that diverges between two levels."""
    found: dict[str, Any] = orjson.loads(_quick_run)
    return found


@pytest.fixture(scope="session")
def _bare_run() -> bytes:
    return orjson.dumps(from_json(to_json(without_measures(build_analysis()))))


@pytest.fixture
def bare_results(_bare_run: bytes) -> dict[str, Any]:
    """A run that could measure little and decided nothing."""
    found: dict[str, Any] = orjson.loads(_bare_run)
    return found


@pytest.fixture(scope="session")
def full_results() -> dict[str, Any]:
    """A run at full strength: 14 levels, 8 blocks, 2 stacks, 4 workers."""
    return from_json(to_json(build_analysis(FULL_STRENGTH)))


@pytest.fixture(params=sorted(RUNS))
def odd_results(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Runs that went otherwise than planned, one after the other."""
    return from_json(to_json(RUNS[request.param]()))


@pytest.fixture
def invalid_results() -> dict[str, Any]:
    """A run without a valid window."""
    return from_json(to_json(all_invalid()))
