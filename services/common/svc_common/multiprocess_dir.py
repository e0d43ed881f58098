"""The folder in which gunicorn's workers keep their metrics for the arbiter to read.

Import and use this before anything imports `prometheus_client`, which decides at import by the
environment whether values live in files of that folder or in memory.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "svc-metrics-"


@contextmanager
def fresh_multiprocess_dir() -> Iterator[Path]:
    """A new, empty folder for this start, named in the environment and removed at the end.

    Only the process that made it removes it: a worker that leaves by the same way does not.

    Raises:
        RuntimeError: `prometheus_client` is imported already, so the folder would be ignored.
    """
    if "prometheus_client.values" in sys.modules:
        raise RuntimeError("fresh_multiprocess_dir must come before the first import of prometheus_client")
    owner = os.getpid()
    # Memory-backed where the machine has it: a value is written on every request.
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_leftovers(parent)
    # Not a TemporaryDirectory: its finalizer would run in every forked worker that exits, too.
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{owner}-", dir=parent))
    os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            os.environ.pop(VARIABLE, None)
            shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(parent: Path) -> None:
    """Remove the folders of owners that were killed before they could."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def forget_multiprocess_dir() -> None:
    """Drop an inherited folder name, for a service that is one process and keeps its values in memory."""
    os.environ.pop(VARIABLE, None)
