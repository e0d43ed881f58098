"""One at a time: a lock on a file that the kernel lets go when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from loadlab.errors import UsageError


@contextmanager
def held(path: Path, *, busy: Callable[[str], None] | None = None, unknown: str = "another call") -> Iterator[None]:
    """Hold it for the block. busy: told once who holds it, then this waits; without it a held lock is an error.

    unknown: what a holder is called that has not left its number.

    Raises:
        UsageError: somebody else holds it, and there is no ``busy``; or it cannot be written.
    """
    with opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or unknown
            if busy is None:
                raise UsageError(f"{holder} is at work on the lab; wait until it has ended, then try again") from None
            busy(holder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def opened(path: Path) -> TextIO:
    """The file of a lock, made where it is not there.

    Raises:
        UsageError: it cannot be written, as after a call by root.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}; see that {path.parent} is yours (nothing of the lab needs "
            "sudo) and its disk has room"
        ) from None


def is_held(path: Path) -> bool:
    """Whether somebody holds it now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
