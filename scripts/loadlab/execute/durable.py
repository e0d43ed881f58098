"""Writes that survive the end of this process at any moment, and one line when the disk does not take them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadlab.errors import RunFailed

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the limit on the size of files is reached (ulimit -f)",
}


class StoreFull(RunFailed):
    """The bundle cannot be written any more; everything finished before is safe in it."""


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write beside, fsync, rename, fsync the folder: the file is there wholly or not at all.

    private: its owner alone may read it.

    Raises:
        StoreFull: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        with open(temporary, "wb", opener=_only_for_me if private else None) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _only_for_me(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def append_line(path: Path, line: bytes) -> None:
    """Append one line and make it durable; what an earlier append left half-written is cut off. Raises StoreFull."""
    drop_half_line(path)
    with writing(path), path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def drop_half_line(path: Path) -> None:
    """Cut off what a crash or a full disk in the middle of append_line left behind."""
    if _ends_whole(path):
        return
    content = path.read_bytes()
    with writing(path):
        os.truncate(path, content.rfind(b"\n") + 1)


def _ends_whole(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a full disk or a read-only folder into StoreFull with the next step."""
    try:
        yield
    except OSError as error:
        full = _FULL.get(error.errno or 0)
        raise StoreFull(
            f"{path}: {full or f'cannot be written: {error.strerror}'}; every window finished before is safe. "
            f"{'Free some space' if full else 'Mend that'}, then do it again"
        ) from None
