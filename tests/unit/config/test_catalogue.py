"""Every experiment of the repository is listed by its name, and a broken one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlab.config import Catalogue, list_experiments
from loadlab.errors import ConfigError


def _repository(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "scripts" / "experiments" / "more"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content)
    return tmp_path


def test_experiments_are_listed_by_the_name_that_can_be_typed(tmp_path: Path) -> None:
    root = _repository(tmp_path, b='id = "other"\nquestion = "B?"', a='id = "z"\nquestion = "A?"\nother = 1')
    listed = list_experiments(root)
    assert [(entry.name, entry.id, entry.question, entry.path.name) for entry in listed] == [
        ("a", "z", "A?", "a.toml"),
        ("b", "other", "B?", "b.toml"),
    ]
    assert Catalogue.of_repository(root).experiment_path("b") == listed[1].path


@pytest.mark.parametrize(
    ("content", "said"),
    [("id = ", "a.toml: cannot be listed: "), ('id = "a"', "a.toml: lacks id or question"), ("id = 3", "lacks id")],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list_experiments(_repository(tmp_path, a=content))


def test_an_empty_repository_says_that_nothing_is_known(tmp_path: Path) -> None:
    catalogue = Catalogue.of_repository(_repository(tmp_path))
    with pytest.raises(Exception, match="there is no experiment 'x'; no experiment is known"):
        catalogue.experiment_path("x")
