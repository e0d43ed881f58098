"""Clients that are slow, broken or hostile, as bytes and pauses on a real socket, and what a server may do about them.

For tests and for the bench. A talk is right when the server answers with nothing but the statuses that it may, as often
as it must, and lets go of the connection when its client does: never a 500, never a connection that hangs.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

HOST = "127.0.0.1"
PATIENCE_S = 20.0
"""No server here takes as long to answer or to close; who waits in vain has found one that hangs."""
READ_BYTES = 65_536
OK = frozenset({200})
REFUSED = frozenset({400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 422, 426, 431, 501, 505})
"""What a request that makes no sense may be told. 501 and 505: a method, coding or version that is not spoken."""
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
LINGER_ZERO = struct.pack("ii", 1, 0)

End = Literal["waits", "half-closes", "leaves", "resets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """What one client says. pause_s: after each piece. may: statuses that are no fault; least: answers at least.

    Ends: it waits until the server closes, closes its own side first, or goes away without a look at the answer.
    """

    name: str
    pieces: tuple[bytes, ...]
    end: End
    may: frozenset[int]
    least: int = 0
    pause_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What came back. hung: the connection was still open when patience ended."""

    statuses: tuple[int, ...]
    hung: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """A server to be talked to: a path that it answers with 200, and one that takes a JSON body by POST."""

    port: int
    good: str
    posts: str

    def head(self, path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
        """A request's head, without the empty line that ends it."""
        lines = (f"{method} {path} HTTP/{version}", "Host: x", *headers)
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1")

    def whole(self, *headers: str) -> bytes:
        """A good request."""
        return self.head(self.good, *headers) + b"\r\n"

    def post(self, body: bytes, *headers: str) -> bytes:
        """A POST with these headers and no others, and whatever body."""
        return self.head(self.posts, "Content-Type: application/json", *headers, method="POST") + b"\r\n" + body


def talks(door: Door) -> tuple[Talk, ...]:
    """Every kind once."""
    return (*_slow(door), *_cut_off(door), *_chunked(door), *_huge(door), *_contradictory(door), *_in_a_row(door))


def held_open(door: Door) -> Talk:
    """A head that comes a few bytes at a time and never ends: the client gives up before the server does."""
    pieces = (door.head(door.good), *(f"X-{n}: slow\r\n".encode() for n in range(20)))
    return Talk(name="a head that never ends", pieces=pieces, end="leaves", may=REFUSED, pause_s=0.1)


def _slow(door: Door) -> Iterator[Talk]:
    request = door.whole("Connection: close")
    pieces = tuple(request[start : start + 5] for start in range(0, len(request), 5))
    yield Talk(name="a request in pieces", pieces=pieces, end="waits", may=OK, least=1, pause_s=0.05)
    yield Talk(name="a connection without a word", pieces=(b"",), end="leaves", may=frozenset(), pause_s=0.3)
    body = (door.post(b"", "Content-Length: 400"), *([b" "] * 8))
    yield Talk(name="a body by the byte, then gone", pieces=body, end="leaves", may=REFUSED, pause_s=0.05)


def _cut_off(door: Door) -> Iterator[Talk]:
    part = door.post(b"{", "Content-Length: 500")
    yield Talk(name="half a head", pieces=(door.head(door.good),), end="half-closes", may=REFUSED | OK)
    yield Talk(name="half a body", pieces=(part,), end="half-closes", may=REFUSED)
    yield Talk(name="half a body, reset", pieces=(part,), end="resets", may=REFUSED)
    yield Talk(name="an answer nobody waits for", pieces=(door.whole(),), end="resets", may=OK)
    yield Talk(name="a request, then half-closed", pieces=(door.whole("Connection: close"),), end="half-closes", may=OK)


def _chunked(door: Door) -> Iterator[Talk]:
    for name, chunks in (
        ("not hexadecimal", b"zz\r\n{}\r\n0\r\n\r\n"),
        ("negative", b"-2\r\n{}\r\n0\r\n\r\n"),
        ("beyond 64 bits", b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n"),
        ("huge and absent", b"7fffffff\r\n{}"),
        ("longer than told", b"1\r\n{}{}{}{}\r\n0\r\n\r\n"),
        ("without an end", b"2\r\n{}\r\n"),
        ("with a huge extension", b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"),
        ("with garbage behind", b"2\r\n{}\r\n0\r\n\r\n\xff\xff\x00 \r\n\r\n"),
    ):
        said = door.post(chunks, "Transfer-Encoding: chunked")
        yield Talk(name=f"chunks: {name}", pieces=(said,), end="half-closes", may=REFUSED)


def _huge(door: Door) -> Iterator[Talk]:
    wide, many = "X-Wide: " + "x" * 1_000_000, [f"X-{n}: 1" for n in range(5000)]
    yield Talk(name="a header of a megabyte", pieces=(door.whole(wide),), end="half-closes", may=REFUSED | OK)
    yield Talk(name="5000 headers", pieces=(door.whole(*many),), end="half-closes", may=REFUSED | OK)
    path = door.head(f"{door.good}?{'x' * 1_000_000}") + b"\r\n"
    yield Talk(name="a path of a megabyte", pieces=(path,), end="half-closes", may=REFUSED | OK)


def _contradictory(door: Door) -> Iterator[Talk]:
    for name, headers in (
        ("two lengths", ("Content-Length: 2", "Content-Length: 30")),
        ("a length and chunks", ("Content-Length: 2", "Transfer-Encoding: chunked")),
        ("a length that is no number", ("Content-Length: two",)),
        ("a negative length", ("Content-Length: -2",)),
        ("a length of 5000 digits", (f"Content-Length: {'9' * 5000}",)),
        ("a length of 50 digits", (f"Content-Length: {'9' * 50}",)),
        ("a length of a terabyte", (f"Content-Length: {10**12}",)),
        ("an unknown coding", ("Transfer-Encoding: gzip, banana",)),
        ("no length at all", ()),
    ):
        yield Talk(name=name, pieces=(door.post(b"{}", *headers),), end="half-closes", may=REFUSED)
    yield Talk(name="bytes", pieces=(bytes(range(256)) * 8,), end="half-closes", may=REFUSED)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)
    yield Talk(name="TLS", pieces=(hello,), end="half-closes", may=REFUSED)
    yield Talk(name="empty lines", pieces=(b"\r\n" * 2000,), end="half-closes", may=REFUSED)
    yield Talk(name="NULs", pieces=(b"\0" * 5000,), end="half-closes", may=REFUSED)
    for version in ("9.9", "0.9", "1.1.1", "x"):
        said = door.head(door.good, "Connection: close", version=version) + b"\r\n"
        yield Talk(name=f"HTTP/{version}", pieces=(said,), end="half-closes", may=REFUSED | OK)
    for name, said in (
        ("a header without a colon", door.whole("nocolon", "Connection: close")),
        ("a header of odd bytes", door.whole("X-Odd: \xff\xfe\x01", "Connection: close")),
        ("a path of odd bytes", door.head("/\xff%zz%00\x7f", "Connection: close") + b"\r\n"),
        ("a path that climbs", door.head("/../../../../etc/passwd", "Connection: close") + b"\r\n"),
        ("a method nobody has", door.head(door.good, "Connection: close", method="BREW") + b"\r\n"),
        ("an expectation", door.post(b"", "Content-Length: 2", "Expect: 200-ok")),
    ):
        yield Talk(name=name, pieces=(said,), end="half-closes", may=REFUSED | OK | {100})


def _in_a_row(door: Door) -> Iterator[Talk]:
    many = door.whole() * 9 + door.whole("Connection: close")
    yield Talk(name="ten requests at once", pieces=(many,), end="waits", may=OK, least=10)
    spoilt = door.whole() + b"\xff\xff\xff\r\n\r\n"
    yield Talk(name="a good request, then garbage", pieces=(spoilt,), end="waits", may=REFUSED | OK, least=1)


def spoilt(door: Door, random: Random) -> Talk:
    """A request of some talk with bytes cut out, doubled, changed or cut off, in pieces of any size, by a seed."""
    said = bytearray(
        b"".join(random.choice([talk for talk in talks(door) if len(b"".join(talk.pieces)) < 10_000]).pieces)
    )
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(said) + 1)
        upto = min(len(said), at + random.randint(1, 12))
        said[at:upto] = random.choice(
            (b"", said[at:upto] * 2, random.randbytes(upto - at), b"\r\n", b"\0", b":", b" ", b"\xc3\x28")
        )
    del said[random.randint(len(said) // 4, max(1, len(said))) :]
    cuts = sorted(random.randrange(len(said) + 1) for _ in range(random.randint(0, 3)))
    pieces = tuple(bytes(said[a:b]) for a, b in zip((0, *cuts), (*cuts, len(said)), strict=True))
    ends: Sequence[End] = ("half-closes", "half-closes", "leaves", "resets")
    any_sense = REFUSED | OK | {100, 201}
    return Talk(
        name="spoilt", pieces=pieces, end=random.choice(ends), may=any_sense, pause_s=random.choice((0, 0, 0.01))
    )


def converse(port: int, talk: Talk) -> Heard:
    """Be that client."""
    with socket.create_connection((HOST, port), timeout=PATIENCE_S) as connection:
        try:
            for piece in talk.pieces:
                connection.sendall(piece)
                time.sleep(talk.pause_s)
            if talk.end == "half-closes":
                connection.shutdown(socket.SHUT_WR)
        except TimeoutError:
            return Heard(statuses=(), hung=True)
        except OSError:
            pass  # the server has closed already, which it may
        if talk.end == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        if talk.end in ("resets", "leaves"):
            return Heard(statuses=(), hung=False)
        return _answers(connection)


def _answers(connection: socket.socket) -> Heard:
    """All that comes until the server closes."""
    said = bytearray()
    deadline_s = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline_s:
            part = connection.recv(READ_BYTES)
            if not part:
                break
            said += part
        else:
            return Heard(statuses=_statuses(said), hung=True)
    except TimeoutError:
        return Heard(statuses=_statuses(said), hung=True)
    except OSError:
        pass
    return Heard(statuses=_statuses(said), hung=False)


def _statuses(said: bytes | bytearray) -> tuple[int, ...]:
    return tuple(int(status) for status in STATUS.findall(said))


def fault(talk: Talk, heard: Heard) -> str | None:
    """What is wrong with that, in one line; None where nothing is."""
    if heard.hung:
        return f"{talk.name}: the connection was left open, answers so far {list(heard.statuses)}"
    wrong = [status for status in heard.statuses if status not in talk.may]
    if wrong or len(heard.statuses) < talk.least:
        return f"{talk.name}: answered {list(heard.statuses)}, expected {max(1, talk.least)} of {sorted(talk.may)}"
    return None
