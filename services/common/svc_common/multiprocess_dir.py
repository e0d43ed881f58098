"""The folder in which gunicorn's workers keep their metrics for the arbiter to read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "SERVICE_METRICS_DIR"


@contextmanager
def fresh_multiprocess_dir() -> Iterator[Path]:
    """A new, empty folder for this start, named in the environment and removed at the end.

    Only the process that made it removes it: a worker that leaves by the same way does not.
    """
    owner = os.getpid()
    # Memory-backed where the machine has it: the kernel must not write each change to a disk.
    shared_memory = Path("/dev/shm")
    parent = shared_memory if os.access(shared_memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="svc-metrics-", dir=parent))
    os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            os.environ.pop(VARIABLE, None)
            shutil.rmtree(folder, ignore_errors=True)
