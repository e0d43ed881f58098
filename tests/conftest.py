"""The order of all tests: random, but those that take long first."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = Path(__file__).with_name("integration")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With long tests first, the workers of a session end together; short ones fill the gaps at the end."""
    items.sort(key=lambda item: LONG not in item.path.parents)
