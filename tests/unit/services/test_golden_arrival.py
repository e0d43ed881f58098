"""When a request arrived at the golden server: by the kernel's stamp where it can be trusted."""

from __future__ import annotations

import socket
import struct

import pytest

from golden.arrival import SO_TIMESTAMPNS, ArrivalClock

UNIX_NS, MONOTONIC_NS = 1_800_000_000_000_000_000, 5_000_000_000


class Clocks:
    """A monotonic clock, and a wall clock that can be set."""

    def __init__(self) -> None:
        self.elapsed_ns = self.set_by_ns = 0

    def monotonic_ns(self) -> int:
        return MONOTONIC_NS + self.elapsed_ns

    def unix_ns(self) -> int:
        return UNIX_NS + self.elapsed_ns + self.set_by_ns

    def stamp(self) -> tuple[int, int, bytes]:
        """What the kernel says of a packet that arrives now."""
        return socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("@qq", *divmod(self.unix_ns(), 10**9))


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def arrivals(clocks: Clocks) -> ArrivalClock:
    return ArrivalClock(clocks.monotonic_ns, clocks.unix_ns)


def test_what_is_read_late_arrived_when_it_was_stamped(clocks: Clocks, arrivals: ArrivalClock) -> None:
    clocks.elapsed_ns = 1_000_000_001
    stamp = clocks.stamp()
    clocks.elapsed_ns += 7_000_000
    assert arrivals.arrived_ns([stamp]) == MONOTONIC_NS + 1_000_000_001


def test_what_has_no_stamp_arrived_when_it_was_read(clocks: Clocks, arrivals: ArrivalClock) -> None:
    stamp = (socket.SOL_SOCKET, SO_TIMESTAMPNS + 1, clocks.stamp()[2])
    clocks.elapsed_ns = 7_000_000
    assert arrivals.arrived_ns([]) == arrivals.arrived_ns([stamp]) == MONOTONIC_NS + 7_000_000


@pytest.mark.parametrize("step_ns", [-3_600_000_000_000, -2_000_000, 2_000_000, 3_600_000_000_000])
def test_a_stamp_from_before_the_wall_clock_was_set_says_nothing(
    clocks: Clocks, arrivals: ArrivalClock, step_ns: int
) -> None:
    clocks.elapsed_ns = 1_000_000_000
    stamps = [clocks.stamp()]
    clocks.elapsed_ns += 1_000_000
    clocks.set_by_ns = step_ns
    assert arrivals.arrived_ns(stamps) == arrivals.arrived_ns(stamps) == clocks.monotonic_ns()
    clocks.elapsed_ns += 4_000_000_000_000
    later, at_ns = clocks.stamp(), clocks.monotonic_ns()
    clocks.elapsed_ns += 1_000_000
    assert arrivals.arrived_ns([later]) == at_ns
