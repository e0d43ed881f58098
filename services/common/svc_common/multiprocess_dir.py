"""The folder in which gunicorn's workers keep their metrics for the arbiter to read."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "SERVICE_METRICS_DIR"
PREFIX = "svc-metrics-"
SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def fresh_multiprocess_dir(parent: Path | None = None) -> Iterator[Path]:
    """A new, empty folder for this start, named in the environment and removed at the end.

    Only the process that made it removes it: a worker that leaves by the same way does not. What a killed
    service has left behind in `parent` (memory-backed by default, so that no disk writes) is removed first.
    """
    owner = os.getpid()
    if parent is None:
        is_usable = os.access(SHARED_MEMORY, os.W_OK)
        parent = SHARED_MEMORY if is_usable else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    folder, lock = _make_locked(parent)
    os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            os.environ.pop(VARIABLE, None)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _make_locked(parent: Path) -> tuple[Path, int]:
    """A folder and the descriptor whose lock says, until the last process of the service ends, that it is used."""
    unlocked = Path(tempfile.mkdtemp(prefix="new-" + PREFIX, dir=parent))
    lock = os.open(unlocked, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It gets the name that others look for only now that they find it locked.
    return unlocked.rename(parent / unlocked.name.removeprefix("new-")), lock


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(PREFIX + "*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)
