"""Which process holds how many established connections on a port."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from svc_common import socket_diag

_TABLES = ("net/tcp", "net/tcp6")
_NOT_ACCEPTED = 0


def accepted_inodes(port: int) -> set[int] | None:
    """Socket inodes of the accepted, established connections whose local port is `port`; None if unknown."""
    try:
        inodes = socket_diag.established_inodes(port)
    except OSError:
        listed = listed_inodes(port)
        if listed is None:
            return None
        inodes = listed
    return inodes - {_NOT_ACCEPTED}


def listed_inodes(port: int, *, proc: Path = Path("/proc/self")) -> set[int] | None:
    """The same with inode 0 for the not yet accepted, from net/tcp and net/tcp6 (proc(5)); slow with many sockets.

    State 01 is ESTABLISHED. None when neither table can be read.
    """
    row = re.compile(rb"^ *\d+: [0-9A-F]+:%04X \S+ 01 (?:\S+ +){5}(\d+)" % port, re.MULTILINE)
    found: set[int] | None = None
    for table in _TABLES:
        try:
            text = (proc / table).read_bytes()
        except OSError:
            continue
        found = (found or set()) | set(map(int, row.findall(text)))
    return found


def connections_by_pid(pids: Collection[int], port: int) -> dict[int, int]:
    """Established connections on the local `port` by process; a process that cannot be read is absent.

    A single process is taken to own them all, which spares reading its thousands of descriptors.
    """
    inodes = accepted_inodes(port)
    if inodes is None:
        return {}
    if len(pids) == 1:
        return dict.fromkeys(pids, len(inodes))
    counts = {pid: _owned(pid, inodes) for pid in pids}
    return {pid: count for pid, count in counts.items() if count is not None}


def _owned(pid: int, inodes: set[int]) -> int | None:
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            return sum(_socket_inode(descriptor) in inodes for descriptor in descriptors)
    except OSError:
        return None


def _socket_inode(descriptor: os.DirEntry[str]) -> int | None:
    try:
        found = descriptor.stat()
    except OSError:
        return None
    return found.st_ino if stat.S_ISSOCK(found.st_mode) else None
