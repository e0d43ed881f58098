"""Ways to read variations of a small experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from builders_config import SMALL_TOML, ReadSmall
from loadlab.config import Catalogue, parse_experiment
from loadlab.model.experiment import Experiment


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The repository's own folders."""
    return Catalogue.of_repository()


@pytest.fixture
def read(tmp_path: Path) -> ReadSmall:
    """Read the small experiment with texts replaced, lines added at its end, and ``--set`` options."""

    def read_varied(
        *replacements: tuple[str, str], more: str = "", overrides: Sequence[str] = (), check_files: bool = True
    ) -> Experiment:
        content = SMALL_TOML + more
        for old, new in replacements:
            assert old in content
            content = content.replace(old, new)
        return parse_experiment(content, tmp_path / "small.toml", overrides, check_files=check_files)

    return read_varied
