"""``scripts/tools/tools.toml``: which programs the lab brings, and from where."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlab.errors import UsageError
from loadlab.execute.lab.debian_package import DebianPackage

Version = tuple[int, ...]

_VERSION = re.compile(r"\bv?(\d+(?:\.\d+)+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class GoBuild:
    """How it is built from Go modules. folder: with go.mod and go.sum."""

    folder: Path
    package: str
    ldflags: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The maker's file for one platform. member: the program in it when it is an archive."""

    url: str
    sha256: str
    member: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A program and where it can come from.

    version: of the build and the release; at_least: what is good enough on PATH and in a Debian package; asks: how it
    tells its version.
    """

    name: str
    version: str
    at_least: str
    asks: tuple[str, ...]
    debian: DebianPackage | None
    go: GoBuild | None
    releases: Mapping[str, Release]

    def takes(self, version: str | None) -> bool:
        """Whether one of this version in .tools/bin is left as it is."""
        if version is None or self.debian is None:
            return version == self.version
        return numbers(version) >= numbers(self.at_least)


def read_tools(folder: Path) -> Mapping[str, Tool]:
    """All of them by name. folder: the one with tools.toml."""
    tables = tomllib.loads((folder / "tools.toml").read_text(encoding="utf-8"))
    return {name: _tool(name, table, folder) for name, table in tables.items()}


def chosen(tools: Mapping[str, Tool], name: str) -> Tool:
    """One by its name. Raises UsageError."""
    if name not in tools:
        raise UsageError(f"there is no tool {name!r}; expected one of {', '.join(sorted(tools))}")
    return tools[name]


def version_in(text: str) -> str | None:
    """The first version that a program's answer has in it, None when there is none."""
    found = _VERSION.search(text)
    return found.group(1) if found else None


def numbers(version: str) -> Version:
    """A version to compare."""
    return tuple(int(part) for part in version.split("."))


def _tool(name: str, table: Mapping[str, Any], folder: Path) -> Tool:
    go = table.get("go")
    debian = table.get("debian")
    return Tool(
        name=name,
        version=table["version"],
        at_least=table["at_least"],
        asks=tuple(table["asks"]),
        debian=DebianPackage(**debian) if debian else None,
        go=GoBuild(folder=folder / go["folder"], package=go["package"], ldflags=go["ldflags"]) if go else None,
        releases={platform: Release(**release) for platform, release in table["release"].items()},
    )
