"""One program out of a Debian or Ubuntu package, without root: fetched by apt, which checks it, and unpacked beside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadlab.execute.lab.program import Said, call

FETCH_S = 300.0
UNPACK_S = 120.0
OWN_LISTS = "apt"


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianPackage:
    """A package and the path of a program in it."""

    package: str
    member: str


def unpack(source: DebianPackage, *, folder: Path, into: Path, environ: Mapping[str, str]) -> str | None:
    """Put the program at into; None when done, else why not. folder: keeps the package for the next program of it."""
    apt, dpkg = (shutil.which(name, path=environ.get("PATH", os.defpath)) for name in ("apt-get", "dpkg-deb"))
    if apt is None or dpkg is None:
        return "no Debian packages on this machine"
    folder.mkdir(parents=True, exist_ok=True)
    package = _kept(folder, source)
    if package is None:
        said = _download(Path(apt), source.package, folder, environ)
        package = _kept(folder, source)
        if package is None:
            return f"apt-get download {source.package} failed: {said.last_lines(2)}"
    tree = folder / "tree"
    said = call(Path(dpkg), "-x", str(package), str(tree), timeout_s=UNPACK_S)
    program = tree / source.member
    if not said.is_good or not program.is_file():
        return f"package {package.name} has no {source.member}: {said.last_lines(1)}"
    program.replace(into)
    shutil.rmtree(tree)
    return None


def _kept(folder: Path, source: DebianPackage) -> Path | None:
    return next(iter(sorted(folder.glob(f"{source.package}_*.deb"), reverse=True)), None)


def _download(apt: Path, package: str, folder: Path, environ: Mapping[str, str]) -> Said:
    """With the machine's lists of packages; where it has none, with lists of our own, which needs no root."""

    def ask(*words: str) -> Said:
        return call(apt, "-q", *words, timeout_s=FETCH_S, cwd=folder, env={**environ, "LC_ALL": "C"})

    said = ask("-o", "APT::Sandbox::User=root", "download", package)
    if said.is_good:
        return said
    own = _own_lists(folder)
    try:
        updated = ask(*own, "update")
        return ask(*own, "download", package) if updated.is_good else updated
    finally:
        shutil.rmtree(folder / OWN_LISTS, ignore_errors=True)


def _own_lists(folder: Path) -> Sequence[str]:
    state, cache = (folder.absolute() / OWN_LISTS / name for name in ("state", "cache"))
    for place in (state / "lists" / "partial", cache / "archives" / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    options = (f"Dir::State={state}", f"Dir::Cache={cache}", "APT::Sandbox::User=root")
    return [word for option in options for word in ("-o", option)]
