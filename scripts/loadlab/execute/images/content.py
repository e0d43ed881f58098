"""What an image is made from, whole, and the tag that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadlab.execute.images.base import BasePython
from loadlab.execute.images.docker import Image
from loadlab.execute.images.recipe import Recipe, source_files
from loadlab.execute.images.requirement import Requirement, needed, read_lock
from loadlab.execute.images.wheelhouse import Wheelhouse, pinned_file

TAG_DIGITS = 12
SHARED = "wheels/shared"
OWN = "wheels/own"
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """Every file of a build context by its path in there, and the id of the base image."""

    base_id: str
    files: Mapping[str, Path | bytes]
    sha256s: Mapping[str, str]

    @property
    def tag(self) -> str:
        """``c-`` and twelve hex digits, of everything that goes in and of nothing else."""
        digest = hashlib.sha256(f"{self.base_id}\n".encode())
        for name in sorted(self.sha256s):
            digest.update(f"{self.sha256s[name]} {name}\n".encode())
        return f"c-{digest.hexdigest()[:TAG_DIGITS]}"


def gather(root: Path, recipe: Recipe, wheelhouse: Wheelhouse, base: Image) -> Content:
    """All that goes into an image, wheels fetched. Raises ImageError."""
    files: dict[str, Path | bytes] = {"Dockerfile": root / recipe.dockerfile}
    files |= {f"src/{name}": path for name, path in source_files(root, recipe).items()}
    sha256s = {name: _sha256(content) for name, content in files.items()}
    for folder, requirements in _layers(root, recipe, wheelhouse.python).items():
        wheels = wheelhouse.choose(requirements)
        pinned = pinned_file(requirements, wheels).encode()
        files[f"{folder}/{REQUIREMENTS}"] = pinned
        sha256s[f"{folder}/{REQUIREMENTS}"] = _sha256(pinned)
        files |= {f"{folder}/{wheel.path.name}": wheel.path for wheel in wheels}
        sha256s |= {f"{folder}/{wheel.path.name}": wheel.sha256 for wheel in wheels}
    return Content(base_id=base.id, files=files, sha256s=sha256s)


def sources_sha256(root: Path, recipe: Recipe) -> str:
    """Of all that the checkout itself gives to an image; neither wheels nor the base image have to be there for it."""
    own = (recipe.dockerfile, recipe.lock, *((recipe.shared_lock,) if recipe.shared_lock else ()))
    digest = hashlib.sha256()
    for name, path in sorted({**{name: root / name for name in own}, **source_files(root, recipe)}.items()):
        digest.update(f"{_sha256(path) if path.is_file() else 'absent'} {name}\n".encode())
    return digest.hexdigest()


def _layers(root: Path, recipe: Recipe, python: BasePython) -> dict[str, tuple[Requirement, ...]]:
    """The requirements by the folder of the context that their wheels are in; what is shared is not the image's own."""
    environment = python.marker_environment
    own = needed(read_lock(root / recipe.lock), environment)
    if recipe.shared_lock is None:
        return {OWN: own}
    shared = needed(read_lock(root / recipe.shared_lock), environment)
    names = {one.name for one in shared}
    return {SHARED: shared, OWN: tuple(one for one in own if one.name not in names)}


def _sha256(content: Path | bytes) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()
