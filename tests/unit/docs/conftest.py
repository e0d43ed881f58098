"""The pages that people read: README, the root's other pages, and everything under docs."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pages(root: Path) -> dict[Path, str]:
    """Every page with its text."""
    found = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])
    assert {"architecture.md", "method.md", "CONTRIBUTING.md"} <= {page.name for page in found}
    return {page: page.read_text(encoding="utf-8") for page in found}
