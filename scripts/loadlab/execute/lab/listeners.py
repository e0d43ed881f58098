"""Who listens on a port of this machine."""

from __future__ import annotations

import errno
import socket

import psutil


def is_free(port: int) -> bool:
    """Whether a listener could be opened on 127.0.0.1 at that port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def holder(port: int) -> str:
    """The process that listens there, as far as this user may see it."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "a process of another user"
    for one in found:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
            return _process(one.pid)
    return "a process that this user may not see"


def _process(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
