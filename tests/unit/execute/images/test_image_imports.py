"""Whatever the sources of an image import, its lock installs: an image cannot say so before it crashes."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from loadlab.execute.machine import normalised

ROOT = Path(__file__).resolve().parents[4]
IMAGES = {
    "services/flask_gunicorn": ["services/flask_gunicorn", "services/common/svc_common"],
    "services/fastapi_uvicorn": ["services/fastapi_uvicorn", "services/common/svc_common"],
    "services/upstream": ["services/upstream"],
    "locustfiles": ["locustfiles"],
}
"""Folder of the lock to the folders whose sources the image holds."""


def imported(folder: Path) -> dict[str, str]:
    """Top-level names of everything that is imported at the start of a module, with where."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return found


@pytest.mark.parametrize("image", IMAGES)
def test_every_import_of_an_image_is_in_its_lock(image: str) -> None:
    lock = (ROOT / image / "requirements.lock").read_text(encoding="utf-8")
    locked = {normalised(line.partition("==")[0]) for line in lock.splitlines() if "==" in line and line[0].isalpha()}
    if image != "locustfiles":
        common = (ROOT / "services" / "common" / "requirements.lock").read_text(encoding="utf-8")
        locked |= {normalised(line.partition("==")[0]) for line in common.splitlines() if "==" in line}
    providers = packages_distributions()
    missing = {}
    for folder in IMAGES[image]:
        for name, where in imported(ROOT / folder).items():
            distributions = {normalised(each) for each in providers.get(name, ())}
            if name not in sys.stdlib_module_names and distributions and not distributions & locked:
                missing[name] = where
    # svc_common serves both stacks: what only one of them uses is imported by its modules, and locked by that stack
    if "svc_common" in " ".join(IMAGES[image]):
        missing = {name: where for name, where in missing.items() if "svc_common" not in where}
    assert missing == {}


def test_what_no_lock_holds_is_found() -> None:
    assert "prometheus_client" in imported(ROOT / "locustfiles")
