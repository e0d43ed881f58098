"""HTTP/1.1 requests out of bytes: as much of RFC 9112 as a reference server needs, and nothing that can stop it.

Understood: any method and target, headers in any case, bodies by Content-Length, keep-alive, pipelining. Refused with
a status and the end of the connection: whatever else a client may send.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_HEAD_BYTES = 16_384
MOST_BODY_BYTES = 16 * 1_048_576
ID_HEADER = b"x-lab-request-id"
HEAD_END = b"\r\n\r\n"

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) HTTP/1\.([01])")
_ID = re.compile(rb"\r\n" + ID_HEADER + rb":[ \t]*([0-9]{1,18})[ \t]*\r\n")
_LENGTHS = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")
_CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b")
_KEEP = re.compile(rb"\r\nconnection:[^\r\n]*\bkeep-alive\b")


class BadRequest(Exception):
    """What cannot be answered otherwise than with this status and the end of the connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``end``: index after its last byte. ``id``: the number in X-Lab-Request-Id, 0 without one."""

    method: bytes
    path: bytes
    id: int
    keep_alive: bool
    end: int


def next_request(buffer: bytes, start: int) -> Request | None:
    """The request that begins at ``start``; None while it is not all there.

    Raises:
        BadRequest: it is none, too long, or sent in a way that is not understood.
    """
    head_end = buffer.find(HEAD_END, start)
    if head_end < 0:
        if len(buffer) - start > MOST_HEAD_BYTES:
            raise BadRequest(431)
        return None
    if head_end - start > MOST_HEAD_BYTES:
        raise BadRequest(431)
    line_end = buffer.find(b"\r\n", start)
    line = _LINE.fullmatch(buffer, start, line_end)
    if line is None:
        raise BadRequest(400)
    headers = buffer[line_end : head_end + 2].lower()
    end = head_end + len(HEAD_END) + _body_bytes(headers)
    if end > len(buffer):
        return None
    named = _ID.search(headers)
    method, target, minor = line.groups()
    keep_alive = _CLOSE.search(headers) is None if minor == b"1" else _KEEP.search(headers) is not None
    return Request(method, target.partition(b"?")[0], int(named[1]) if named else 0, keep_alive, end)


def _body_bytes(headers: bytes) -> int:
    if b"\r\ntransfer-encoding:" in headers or b"\r\nexpect:" in headers:
        raise BadRequest(501)
    if b"\r\ncontent-length:" not in headers:
        return 0
    lengths = set(_LENGTHS.findall(headers))
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 12:
        raise BadRequest(400)
    if int(length) > MOST_BODY_BYTES:
        raise BadRequest(413)
    return int(length)
