"""A server that freezes whole for F s in every P s, and keeps the truth: python locust_freezing_server.py PORT F P.

On SIGTERM it prints one line for each request: its header X-Arrival, when it was read and when it was answered, both on
the monotonic clock, and the latter in unix time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

LOG: list[tuple[int, float, float, float]] = []


class Answering(asyncio.Protocol):
    """Answers every request at once, unless all stands still."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end].lower(), self.buffer[end + 4 :]
            number = next(line[11:] for line in head.split(b"\r\n") if line.startswith(b"x-arrival: "))
            read_s = time.monotonic()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            LOG.append((int(number), read_s, time.monotonic(), time.time()))


async def freeze(for_s: float, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s - for_s)
        time.sleep(for_s)


async def main(port: int, for_s: float, every_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=1024)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    freezing = asyncio.create_task(freeze(for_s, every_s))
    print("ready", flush=True)
    await ended.wait()
    freezing.cancel()
    server.close()
    for number, read_s, left_s, left_unix_s in LOG:
        print(number, f"{read_s:.6f}", f"{left_s:.6f}", f"{left_unix_s:.6f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
