"""A closed loop over keep-alive connections, as light as Python gets: python raw_client.py '{"port": 8000, ...}'.

Prints one JSON line with what happened inside the measured window. Requests are counted when their answer is
whole. The processor clocks of the server's processes are read here, at the very ends of the window.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to do. stagger_s: connections begin evenly over so many seconds. server_pids: whose clocks to read."""

    port: int
    path: str
    connections: int
    warmup_s: float
    measure_s: float
    stagger_s: float = 0.0
    server_pids: tuple[int, ...] = ()


@dataclass(slots=True)
class Tally:
    """Answers so far."""

    answered: int = 0
    failed: int = 0
    lost: int = 0
    over: bool = False
    latencies_s: list[float] = field(default_factory=list)


class Caller(asyncio.Protocol):
    """One user without think time."""

    def __init__(self, order: Order, tally: Tally) -> None:
        self._begin = f"GET {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nX-Request-Start: t=".encode()
        self._tally = tally
        self._buffer = b""
        self._whole_bytes = 0
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._call()

    def _call(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(b"%b%.6f\r\n\r\n" % (self._begin, time.time()))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._whole_bytes:
            self._whole_bytes = _length_of(self._buffer)
        if self._whole_bytes and len(self._buffer) >= self._whole_bytes:
            self._ended()

    def _ended(self) -> None:
        tally = self._tally
        if self._buffer.startswith(b"HTTP/1.1 200"):
            tally.answered += 1
            tally.latencies_s.append(time.perf_counter() - self._sent_s)
        else:
            tally.failed += 1
        self._buffer, self._whole_bytes = b"", 0
        if not tally.over:
            self._call()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._tally.over:
            self._tally.lost += 1


def _length_of(buffer: bytes) -> int:
    """Bytes of the whole answer; 0 while its head is not there."""
    end = buffer.find(HEAD_END)
    if end < 0:
        return 0
    at = buffer.lower().find(LENGTH, 0, end)
    if at < 0:
        raise SystemExit(f"raw_client: an answer without Content-Length: {buffer[:200]!r}")
    line_end = buffer.find(b"\r\n", at)
    return end + len(HEAD_END) + int(buffer[at + len(LENGTH) : line_end])


def _cpu_s(pids: tuple[int, ...]) -> float:
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def _give_up(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A fault in a connection ends the client: figures without it would be wrong."""
    print(f"raw_client: {context['message']}: {context.get('exception')!r}", file=sys.stderr, flush=True)
    os._exit(1)


async def run(order: Order) -> dict[str, float]:
    """Load for the warm-up and the window; figures of the window alone."""
    loop, tally = asyncio.get_running_loop(), Tally()
    loop.set_exception_handler(_give_up)
    for number in range(order.connections):
        await loop.create_connection(lambda: Caller(order, tally), "127.0.0.1", order.port)
        if order.stagger_s and number < order.connections - 1:
            await asyncio.sleep(order.stagger_s / order.connections)
    await asyncio.sleep(order.warmup_s)
    tally.latencies_s.clear()
    before = (tally.answered, _cpu_s(order.server_pids), time.process_time(), time.perf_counter())
    await asyncio.sleep(order.measure_s)
    after = (tally.answered, _cpu_s(order.server_pids), time.process_time(), time.perf_counter())
    tally.over = True
    latencies_s = sorted(tally.latencies_s)
    return {
        "answered": after[0] - before[0],
        "server_cpu_s": after[1] - before[1],
        "client_cpu_s": after[2] - before[2],
        "elapsed_s": after[3] - before[3],
        "p50_s": latencies_s[len(latencies_s) // 2] if latencies_s else 0.0,
        "failed": tally.failed,
        "lost": tally.lost,
    }


def main() -> None:
    """Run the order given as JSON."""
    told = json.loads(sys.argv[1])
    order = Order(**{**told, "server_pids": tuple(told.get("server_pids", ()))})
    print(json.dumps(uvloop.run(run(order))), flush=True)


if __name__ == "__main__":
    main()
