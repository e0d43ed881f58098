"""Sockets by port, asked of the kernel over netlink (sock_diag(7)): it filters, where /proc/net/tcp lists all."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
REQUEST_DUMP: Final = 0x301
DONE: Final = 3
ERROR: Final = 2
ESTABLISHED: Final = 1
TIMEOUT_S: Final = 2.0
RECEIVE_BYTES: Final = 1 << 18

_HEADER: Final = struct.Struct("=IHHII")
# inet_diag_req_v2: family, protocol, ext, pad, states, then the socket: port, peer port, addresses,
# interface, cookie.
_REQUEST: Final = struct.Struct("=BBBBI2s2s32xI8s")
_INODE_AT: Final = _HEADER.size + 68
_ANY_COOKIE: Final = b"\xff" * 8


def established_inodes(port: int) -> set[int]:
    """Inodes of the established TCP connections, IPv4 and IPv6, whose local port is `port`.

    Inode 0 stands for connections that still wait to be accepted.

    Raises:
        OSError: the kernel does not answer such questions here.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(TIMEOUT_S)
        found: set[int] = set()
        for family in (socket.AF_INET, socket.AF_INET6):
            body = _REQUEST.pack(
                family, socket.IPPROTO_TCP, 0, 0, 1 << ESTABLISHED, port.to_bytes(2, "big"), b"", 0, _ANY_COOKIE
            )
            header = _HEADER.pack(_HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0)
            link.sendto(header + body, (0, 0))
            found.update(_inodes(link))
        return found


def _inodes(link: socket.socket) -> Iterator[int]:
    while True:
        data = link.recv(RECEIVE_BYTES)
        at = 0
        while at < len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind == DONE:
                return
            if kind == ERROR:
                raise OSError(-struct.unpack_from("=i", data, at + _HEADER.size)[0], "sock_diag")
            yield struct.unpack_from("=I", data, at + _INODE_AT)[0]
            at += (length + 3) & ~3
