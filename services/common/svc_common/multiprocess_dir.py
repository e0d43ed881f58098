"""The folder in which gunicorn's workers keep their metrics for the arbiter to read."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "SERVICE_METRICS_DIR"
PREFIX = "svc-metrics-"
SHARED_MEMORY = Path("/dev/shm")
YOUNG_S = 60.0


@contextmanager
def fresh_multiprocess_dir() -> Iterator[Path]:
    """A new, empty folder for this start, named in the environment and removed at the end.

    Only the process that made it removes it: a worker that leaves by the same way does not.
    """
    owner = os.getpid()
    # Memory-backed where the machine has it: the kernel must not write each change to a disk.
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_leftovers(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            os.environ.pop(VARIABLE, None)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders of owners that were killed: nobody holds their lock any more.

    A young folder is left alone, because its owner may not have locked it yet.
    """
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < YOUNG_S:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
