"""When an answer arrived: the kernel's stamp where it can be trusted, the time of the read where not."""

# mypy: allow-untyped-calls, disable-error-code="attr-defined"

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from _answer import end_of, timed_answer
from _arrived import SO_TIMESTAMPNS, ArrivalStamps, came_out_of_order, keep_stamping, stamp, stamped_sockets
from geventhttpclient.response import HTTPSocketPoolResponse

UNIX_S, MONOTONIC_S = 1_800_000_000, 5_000.0
"""Both clocks when the process began."""
NEAR_S = 0.03
"""A process can be kept off its processor between its looks at the two clocks."""


class Clocks:
    """A monotonic clock, and a wall clock that can be set."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.set_by_s = 0.0

    def monotonic_s(self) -> float:
        return MONOTONIC_S + self.elapsed_s

    def unix_ns(self) -> int:
        return UNIX_S * 10**9 + round((self.elapsed_s + self.set_by_s) * 1e9)


class Reads:
    """Reads of a process whose clocks a test leads."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.stamps = ArrivalStamps(self.clocks.monotonic_s, self.clocks.unix_ns)

    def stamp(self) -> bytes:
        """What the kernel says of a packet that arrives now."""
        return struct.pack("@qq", *divmod(self.clocks.unix_ns(), 10**9))

    def read(self, *stamps: bytes) -> float:
        """Seconds since the process began at which what is read now arrived."""
        self.stamps.note([(socket.SOL_SOCKET, SO_TIMESTAMPNS, one) for one in stamps])
        return self.stamps.take_s() - MONOTONIC_S

    def wait(self, seconds: float) -> None:
        self.clocks.elapsed_s += seconds

    def set_wall_clock(self, by_s: float) -> None:
        self.clocks.set_by_s += by_s


@pytest.fixture
def reads() -> Reads:
    return Reads()


def near(seconds: float) -> Any:
    """Wall clocks of today have steps of a quarter of a microsecond as floats."""
    return pytest.approx(seconds, abs=1e-6)


def test_what_is_read_late_arrived_when_the_kernel_says(reads: Reads) -> None:
    reads.wait(10.0)
    came = reads.stamp()
    reads.wait(3.0)
    assert reads.read(came) == near(10.0)
    assert reads.stamps.was_stamped


def test_what_has_no_stamp_arrived_when_it_was_read(reads: Reads) -> None:
    reads.wait(10.0)
    assert reads.read() == near(10.0)
    reads.stamps.note([(socket.SOL_SOCKET, SO_TIMESTAMPNS + 1, reads.stamp()), (6, SO_TIMESTAMPNS, b"")])
    reads.wait(1.0)
    assert reads.stamps.take_s() == near(MONOTONIC_S + 10.0)
    assert not reads.stamps.was_stamped


def test_a_stamp_counts_for_one_read_alone(reads: Reads) -> None:
    """A socket that notes nothing (TLS) is read right after one that does."""
    reads.wait(10.0)
    reads.read(reads.stamp())
    reads.wait(2.0)
    assert reads.stamps.take_s() == MONOTONIC_S + 12.0
    assert not reads.stamps.was_stamped


@pytest.mark.parametrize("step_s", [-3600.0, -0.7, -0.002, 0.002, 0.7, 3600.0])
def test_what_arrived_before_the_wall_clock_was_set_arrived_when_it_was_read(reads: Reads, step_s: float) -> None:
    reads.wait(10.0)
    first, second = reads.stamp(), reads.stamp()
    reads.wait(0.001)
    reads.set_wall_clock(step_s)
    assert reads.read(first) == near(10.001)
    assert reads.read(second) == near(10.001), "found out already, and not to be believed for that"
    assert not reads.stamps.was_stamped
    reads.wait(4000.0)
    later = reads.stamp()
    reads.wait(0.5)
    assert reads.read(later) == near(4010.001), "clocks run alike again"


def test_clocks_that_part_by_less_than_a_millisecond_are_believed(reads: Reads) -> None:
    reads.wait(1.0)
    reads.set_wall_clock(0.0005)
    came = reads.stamp()
    reads.wait(0.2)
    assert reads.read(came) == near(1.0)


def test_no_stamp_is_from_the_time_before_the_process(reads: Reads) -> None:
    came = struct.pack("@qq", UNIX_S - 1, 0)
    reads.wait(1.0)
    assert reads.read(came) == near(1.0)


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    """Client and server of a connection over loopback."""
    with gevent.socket.create_server(("127.0.0.1", 0)) as listener:
        client = gevent.socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            yield client, server


def stamps_of(client: Any, server: Any) -> ArrivalStamps:
    """Of a connection whose packets are stamped by now: the kernel begins a little after it was asked to."""
    stamps = ArrivalStamps(time.perf_counter)
    client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    for _ in range(500):
        server.sendall(b"?")
        if client.recvmsg(1, socket.CMSG_SPACE(16))[1]:
            break
        gevent.sleep(0.01)
    else:
        pytest.fail("the kernel stamps nothing")
    near, far = stamped_sockets(stamps)
    assert stamp(client, near, far).__class__ is near
    return stamps


class Pool:
    """Takes a connection back."""

    def return_socket(self, sock: Any) -> None: ...

    release_socket = return_socket


def test_over_a_real_socket_an_answer_ends_before_its_reader_wakes_up(ends: tuple[Any, Any]) -> None:
    client, server = ends
    stamps = stamps_of(client, server)
    answer_class = timed_answer(HTTPSocketPoolResponse, time.perf_counter, stamps, (client.__class__,))
    before_s = time.perf_counter()
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")
    after_s = time.perf_counter()
    time.sleep(3 * NEAR_S)  # gevent's loop stands still meanwhile, as it does for other work of a generator
    answer = answer_class(client, Pool())
    assert answer.read() == b"abcd"
    arrived_s, is_stamped = end_of(SimpleNamespace(_response=answer), 77.0)
    assert before_s - NEAR_S < arrived_s < after_s + NEAR_S
    assert is_stamped


def test_the_last_part_of_a_long_answer_counts(ends: tuple[Any, Any]) -> None:
    client, server = ends
    stamps = stamps_of(client, server)
    server.sendall(b"ef")
    time.sleep(3 * NEAR_S)
    sent_s = time.perf_counter()
    server.sendall(b"gh")
    time.sleep(3 * NEAR_S)
    assert client.recv(4096) == b"efgh", "read at once"
    assert sent_s - NEAR_S < stamps.take_s() < sent_s + NEAR_S
    server.close()
    assert client.recv(4096) == b""
    assert stamps.take_s() > sent_s + NEAR_S, "an end has no stamp"


@pytest.mark.parametrize("is_disordered", [False, True])
def test_far_connections_are_believed_until_a_packet_was_overtaken(
    ends: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, is_disordered: bool
) -> None:
    client, server = ends
    stamps = stamps_of(client, server)
    client.__class__ = gevent.socket.socket
    monkeypatch.setattr("_arrived.LOOPBACK", ("10.",))
    near, far = stamped_sockets(stamps)
    assert stamp(client, near, far).__class__ is far
    assert not came_out_of_order(client)
    monkeypatch.setattr("_arrived.came_out_of_order", lambda _: is_disordered)
    sent_s = time.perf_counter()
    server.sendall(b"ab")
    time.sleep(3 * NEAR_S)
    assert client.recv(4096) == b"ab"
    assert (stamps.take_s() > sent_s + NEAR_S) is is_disordered


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (bytes(228), False),
        (bytes(224) + b"\x01\x00\x00\x00", True),
        (bytes(224) + b"\x00\x01\x00\x00", True),
        (bytes(220), True),
    ],
)
def test_packets_out_of_order_are_counted_by_the_kernel(info: bytes, expected: bool) -> None:
    assert came_out_of_order(SimpleNamespace(getsockopt=lambda *_: info)) is expected


def test_what_an_unstamped_socket_reads_is_timed_by_the_read() -> None:
    stamps = ArrivalStamps(time.perf_counter)
    answer_class = timed_answer(HTTPSocketPoolResponse, lambda: 5.0, stamps, stamped_sockets(stamps))
    client, server = gevent.socket.socketpair()
    with client, server:
        stamps.note(())  # left over from another socket
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")
        answer = answer_class(client, Pool())
        answer.read()
        assert end_of(SimpleNamespace(_response=answer), 77.0) == (5.0, False)


def test_the_kernel_is_kept_at_it_where_it_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = keep_stamping()
    assert keeper is not None
    with keeper:
        assert keeper.getsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS) == 1
    monkeypatch.setattr("sys.platform", "darwin")
    assert keep_stamping() is None


def test_other_sockets_and_systems_stay_as_they_are(ends: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = stamped_sockets(ArrivalStamps(time.perf_counter))

    class Wrapped(gevent.socket.socket):  # type: ignore[misc, name-defined]
        __slots__ = ()

    client = ends[0]
    monkeypatch.setattr("sys.platform", "darwin")
    assert stamp(client, near, far).__class__ is gevent.socket.socket
    monkeypatch.undo()
    client.__class__ = Wrapped
    assert stamp(client, near, far).__class__ is Wrapped
    client.__class__ = gevent.socket.socket
    client.close()
    assert stamp(client, near, far).__class__ is gevent.socket.socket, "the kernel refused"
