"""``.lab/images.json``: which images there are, by content; what the manifests are rendered with."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from loadlab.errors import ImageError
from loadlab.execute.json_object import read_object


def read_ledger(path: Path) -> dict[str, Any]:
    """What was recorded; nothing when there is no file, or none that can be read: it is written anew then."""
    return read_object(path)


def write_ledger(path: Path, entries: Mapping[str, Any]) -> None:
    """Replace it as a whole. Raises ImageError."""
    save(path, orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def names_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What an image of the lab's own is called in the engine, those that it replaced included."""
    pushed = entry.get("pushed")
    names = [f"{one['image']}:{entry['tag']}" for one in (entry, *([pushed] if pushed else ()))]
    return (*names, *entry.get("replaced", ()))


def save(path: Path, content: bytes) -> None:
    """Write beside, then rename: the file is there wholly or not at all. Raises ImageError."""
    temporary = path.with_name(f".{path.name}.tmp")
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turns a full disk or a folder that cannot be written into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ImageError(f"{path}: the disk is full; free some space, then `make images` goes on") from None
        raise ImageError(
            f"{path}: cannot be written: {error.strerror}; mend that, then `make images` goes on"
        ) from None
