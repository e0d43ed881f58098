"""The wheels that images install, fetched outside the build for the base image's Python and checked by their hashes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadlab.errors import ImageError
from loadlab.execute.images.base import BasePython
from loadlab.execute.images.ledger import saving
from loadlab.execute.images.requirement import Requirement
from loadlab.execute.images.wheel import Wheel, wheels_in

TIMEOUT_S = 900.0
SHOWN_NAMES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheelhouse:
    """A folder of wheels for one Python; what is complete needs no network."""

    folder: Path
    python: BasePython

    def choose(self, requirements: Sequence[Requirement]) -> tuple[Wheel, ...]:
        """The best wheel of each requirement; what is missing is fetched first.

        Raises:
            ImageError: a wheel is not to be had, or there is none that this Python can use.
        """
        chosen = self._best(requirements)
        missing = [one for one in requirements if one.name not in chosen]
        if missing:
            self._fetch(missing)
            chosen = self._best(requirements)
        still = [one for one in requirements if one.name not in chosen]
        if still:
            raise self._none_usable(still)
        return tuple(chosen[one.name] for one in requirements)

    def _best(self, requirements: Sequence[Requirement]) -> dict[str, Wheel]:
        """By package; what has no wheel with a hash of the lock that this Python can use is left out."""
        usable = self.python.tags
        ranked = [(rank, wheel) for wheel in wheels_in(self.folder) if (rank := wheel.rank(usable)) is not None]
        ranked.sort(key=lambda pair: (pair[0], pair[1].path.name))
        found = {
            one.name: next((w for _, w in ranked if w.is_of(one) and w.sha256 in one.sha256s), None)
            for one in requirements
        }
        return {name: wheel for name, wheel in found.items() if wheel is not None}

    def _fetch(self, missing: Sequence[Requirement]) -> None:
        with saving(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            wanted = self.folder / "wanted.txt"
            wanted.write_text("".join(f"{_pinned(one)}\n" for one in missing), encoding="utf-8")
        try:
            done = subprocess.run(self._pip(wanted), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise ImageError(
                f"wheelhouse {self.folder}: pip did not end after {TIMEOUT_S:g} s; is the network up?"
            ) from None
        if done.returncode != 0:
            raise self._not_to_be_had(missing, done.stderr)
        wanted.unlink()

    def _pip(self, wanted: Path) -> list[str]:
        platforms = [word for platform in self.python.platforms for word in ("--platform", platform)]
        abis = [word for abi in (self.python.abi, "abi3", "none") for word in ("--abi", abi)]
        release = f"{self.python.release[0]}.{self.python.release[1]}"
        return [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary", ":all:", "--require-hashes", "--implementation", "cp", "--python-version", release),
            *(*abis, *platforms, "--dest", str(self.folder), "--requirement", str(wanted)),
        ]

    def _not_to_be_had(self, missing: Sequence[Requirement], said: str) -> ImageError:
        errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
        why = (errors or said.strip().splitlines() or ["pip said nothing"])[-1]
        return ImageError(
            f"wheelhouse {self.folder}: could not fetch {_names(missing)} for {self.python.label}: {why}; give this "
            "machine a package index, or put the wheels into that folder"
        )

    def _none_usable(self, missing: Sequence[Requirement]) -> ImageError:
        there = [wheel.path.name for one in missing for wheel in wheels_in(self.folder) if wheel.is_of(one)]
        got = f"got {', '.join(there[:SHOWN_NAMES])}" if there else "got no wheel"
        return ImageError(
            f"wheelhouse {self.folder}: {_names(missing)}: {got}, expected one with a hash of requirements.lock that "
            f"{self.python.label} can use; take another LAB_BASE_IMAGE, or put such a wheel into that folder"
        )


def pinned_file(requirements: Sequence[Requirement], wheels: Sequence[Wheel]) -> str:
    """A requirements file that allows exactly these wheels and nothing else."""
    sha256s = {wheel.name: wheel.sha256 for wheel in wheels}
    return "".join(f"{one.name}=={one.version} --hash=sha256:{sha256s[one.name]}\n" for one in requirements)


def _pinned(one: Requirement) -> str:
    return f"{one.name}=={one.version} " + " ".join(f"--hash=sha256:{sha256}" for sha256 in sorted(one.sha256s))


def _names(requirements: Sequence[Requirement]) -> str:
    names = [f"{one.name}=={one.version}" for one in requirements]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
