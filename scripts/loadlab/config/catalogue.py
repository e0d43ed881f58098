"""Where experiments, price lists and scenarios stand in the repository, and what names them."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadlab.config.nearest import suggestion
from loadlab.config.table import NOT_TOML
from loadlab.errors import PROGRAM, ConfigError, UsageError


class ExperimentEntry(NamedTuple):
    """One experiment as ``loadlab list`` shows it. name: what ``loadlab run`` takes, the stem of its file."""

    name: str
    id: str
    question: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """The folders that names are looked up in."""

    experiments: Path
    prices: Path
    locustfiles: Path

    @classmethod
    def of_repository(cls, root: Path | None = None) -> Catalogue:
        """The folders of a repository, by default the one this program stands in."""
        top = Path(__file__).resolve().parents[3] if root is None else root
        return cls(
            experiments=top / "scripts" / "experiments",
            prices=top / "scripts" / "prices",
            locustfiles=top / "locustfiles",
        )

    def experiment_path(self, path_or_name: str) -> Path:
        """The file of an experiment. What has a ``/`` or ends in ``.toml`` is a path, anything else a name.

        Raises:
            UsageError: no such file, or no experiment of that name (the nearest known one is named).
        """
        if "/" in path_or_name or os.sep in path_or_name or path_or_name.endswith(".toml"):
            return _experiment_file(Path(path_or_name), path_or_name)
        named = self._by_name()
        if path_or_name not in named:
            hint = suggestion(path_or_name, named, "experiment")
            raise UsageError(f"there is no experiment {path_or_name!r}; {hint}; a path needs a / or ends in .toml")
        return named[path_or_name]

    def entries(self) -> list[ExperimentEntry]:
        """Every experiment of the repository by its name, sorted.

        Raises:
            ConfigError: a file cannot be read, is not TOML, or lacks its id or question.
        """
        return sorted(_entry(path) for path in self._by_name().values())

    def _by_name(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self.experiments.rglob("*.toml"))}


def _experiment_file(path: Path, said: str) -> Path:
    try:
        if path.is_file():
            return path
        what = "a folder" if path.is_dir() else "no file to read from" if path.exists() else "no such file"
    except OSError as error:
        what = f"no such file ({error.strerror})"
    raise UsageError(f"{said}: {what}; expected an experiment file, see {PROGRAM} list")


def list_experiments(root: Path | None = None) -> list[ExperimentEntry]:
    """Every experiment of the repository as ``(name, id, question, path)``, sorted by name."""
    return Catalogue.of_repository(root).entries()


def _entry(path: Path) -> ExperimentEntry:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, *NOT_TOML) as error:
        raise ConfigError(f"{path}: cannot be listed: {error}; expected an experiment file") from None
    identifier, question = data.get("id"), data.get("question")
    if not isinstance(identifier, str) or not isinstance(question, str):
        raise ConfigError(f"{path}: lacks id or question; expected both as text at the top of the file")
    return ExperimentEntry(path.stem, identifier, question, path)
