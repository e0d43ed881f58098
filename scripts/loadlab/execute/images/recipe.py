"""What each image is made from. One folder, one image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "loadlab"
COMMON = "services/common"
LOCK = "requirements.lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One image. Paths are relative to the checkout.

    folder: has the Dockerfile and the image's own requirements.lock. shared: the folder whose requirements.lock goes
    into a layer that several images have in common, None for no such layer. sources: what is copied below ``/lab``,
    at the path that it has in the checkout.
    """

    name: str
    folder: str
    shared: str | None
    sources: tuple[str, ...]

    @property
    def repository(self) -> str:
        """The image's name without its tag."""
        return f"{NAMESPACE}/{self.name}"

    @property
    def dockerfile(self) -> str:
        """The file that builds it."""
        return f"{self.folder}/Dockerfile"

    @property
    def lock(self) -> str:
        """The packages that it installs, a part of the checkout's requirements.lock."""
        return f"{self.folder}/{LOCK}"

    @property
    def shared_lock(self) -> str | None:
        """The packages of its shared layer."""
        return f"{self.shared}/{LOCK}" if self.shared else None


RECIPES = (
    Recipe(
        name="flask",
        folder="services/flask_gunicorn",
        shared=COMMON,
        sources=(f"{COMMON}/svc_common", "services/contract", "services/flask_gunicorn"),
    ),
    Recipe(
        name="fastapi",
        folder="services/fastapi_uvicorn",
        shared=COMMON,
        sources=(f"{COMMON}/svc_common", "services/contract", "services/fastapi_uvicorn"),
    ),
    Recipe(
        name="upstream",
        folder="services/upstream",
        shared=None,
        sources=(f"{COMMON}/svc_common", "services/upstream"),
    ),
    Recipe(name="locust", folder="locustfiles", shared=None, sources=("locustfiles",)),
)

SOURCE_SUFFIXES = (".py", ".yaml")
"""What of a source folder goes into an image; Dockerfiles, locks and notes stay out."""


def source_files(root: Path, recipe: Recipe) -> dict[str, Path]:
    """The files that are copied into the image, by their path below ``/lab``, in order."""
    files = {
        path.relative_to(root).as_posix(): path
        for source in recipe.sources
        for path in (root / source).rglob("*")
        if path.suffix in SOURCE_SUFFIXES and path.is_file() and "__pycache__" not in path.parts
    }
    files = {name: path for name, path in files.items() if path.name != "kustomization.yaml"}
    return dict(sorted(files.items()))
