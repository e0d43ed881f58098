"""The fastest server that Python has here: one fixed JSON answer to every request. python raw_server.py PORT.

GET /counters/PID answers {"served", "at_s", "cpu_s"}: requests answered so far, the monotonic clock, and the
processor seconds of process PID, all read at one instant; such a request is not counted itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

BODY = b'{"id":17,"name":"item-0017","colour":"ecru","price_cents":728,"in_stock":true}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
COUNTERS = b"GET /counters/"


class Answerer(asyncio.Protocol):
    """One connection; a request is whatever ends in an empty line."""

    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(COUNTERS):
            self.transport.write(_counters(int(data[len(COUNTERS) :].split(b" ", 1)[0])))
            return
        ended = data.count(b"\r\n\r\n")
        Answerer.served += ended
        self.transport.write(ANSWER * ended)


def _counters(pid: int) -> bytes:
    now = {
        "served": Answerer.served,
        "at_s": time.perf_counter(),
        "cpu_s": time.clock_gettime((~pid << 3) | 2) if pid else 0.0,
    }
    body = json.dumps(now).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
