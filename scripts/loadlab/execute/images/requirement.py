"""Locked requirements: what a requirements.lock says, and which of it one Python needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from loadlab.errors import ImageError

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One package at one version. sha256s: of every file of it that may be installed."""

    name: str
    version: str
    marker: Marker | None
    sha256s: frozenset[str]

    def is_needed(self, environment: Mapping[str, str]) -> bool:
        """Whether a Python with these marker variables installs it."""
        return self.marker is None or self.marker.evaluate(dict(environment))


def read_lock(path: Path) -> tuple[Requirement, ...]:
    """Every line of a lock.

    Raises:
        ImageError: the file is missing, or a line is not ``name==version`` with sha256 hashes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}; `make lock` writes it") from None
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line.strip() and line.strip()[0] != "#")
    return tuple(_requirement(line, path) for line in lines)


def needed(requirements: tuple[Requirement, ...], environment: Mapping[str, str]) -> tuple[Requirement, ...]:
    """Those that a Python with these marker variables installs."""
    return tuple(requirement for requirement in requirements if requirement.is_needed(environment))


def _requirement(line: str, path: Path) -> Requirement:
    spec = line.split(" --hash", 1)[0].strip()
    sha256s = frozenset(_HASH.findall(line))
    try:
        parsed = Parsed(spec)
    except InvalidRequirement:
        raise _not_locked(path, spec) from None
    pins = [one.version for one in parsed.specifier if one.operator == "==" and "*" not in one.version]
    if len(pins) != 1 or len(parsed.specifier) != 1 or not sha256s:
        raise _not_locked(path, spec)
    return Requirement(name=canonicalize_name(parsed.name), version=pins[0], marker=parsed.marker, sha256s=sha256s)


def _not_locked(path: Path, spec: str) -> ImageError:
    return ImageError(f"{path}: got {spec!r}, expected name==version with sha256 hashes; `make lock` writes the file")
