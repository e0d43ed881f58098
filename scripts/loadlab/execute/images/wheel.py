"""Wheel files: whether one is the locked package, and whether a Python can use it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from loadlab.execute.images.requirement import Requirement


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel in a folder. name: canonical."""

    path: Path
    name: str
    version: str
    tags: frozenset[Tag]

    @cached_property
    def sha256(self) -> str:
        """Of the file, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def rank(self, usable: Mapping[Tag, int]) -> int | None:
        """How well it fits a Python that can use these tags, lower is better; None when it does not."""
        return min((usable[tag] for tag in self.tags if tag in usable), default=None)

    def is_of(self, requirement: Requirement) -> bool:
        """Whether it is this package at this version, by name."""
        return (self.name, self.version) == (requirement.name, requirement.version)


def wheels_in(folder: Path) -> tuple[Wheel, ...]:
    """Every wheel of a folder, by file name; what is not a wheel is passed over."""
    found = (_wheel(path) for path in sorted(folder.glob("*.whl")))
    return tuple(wheel for wheel in found if wheel is not None)


def _wheel(path: Path) -> Wheel | None:
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return None
    return Wheel(path=path, name=str(name), version=str(version), tags=tags)
