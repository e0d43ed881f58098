"""The plain session of ``builders_session``, simulated once in a process and copied for each test that wants it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from builders_session import make_session


def copy_session(folder: Path) -> None:
    """What ``make_session(folder)`` makes, to be changed at will."""
    shutil.copytree(_made(folder.name), folder, dirs_exist_ok=True)


@cache
def _made(name: str) -> Path:
    """By its name, which a bundle knows itself by."""
    home = Path(tempfile.mkdtemp(prefix="session-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    make_session(home / name)
    return home / name
