"""A tiny HTTP server that answers the contract's paths and counts: python locust_stub_server.py PORT.

GET /counters -> {"served", "open", "connections", "unstamped", "dropped",
"labels"}, not itself counted; labels counts requests
by their header X-Label. GET /data waits 50 ms, GET /hold?s= waits s seconds, GET /status/503 answers that status,
GET /drop closes the connection without an answer. GET /hop/N redirects N times before it answers 200, GET /away to
the same server by another name. GET /log -> one entry for each request that has a header X-User.
It listens on 127.0.0.1, 127.0.0.2 and 127.0.0.3.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

DATA_S = 0.05
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class Stub(asyncio.Protocol):
    """One connection; requests are answered one after another."""

    served = 0
    open_now = 0
    connections = 0
    unstamped = 0
    dropped = 0
    labels: ClassVar[Counter[str]] = Counter()
    log: ClassVar[list[dict[str, Any]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        Stub.connections += 1
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (head_end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:head_end].decode("latin-1")
            length = 0
            for line in head.split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            if len(self.buffer) < head_end + 4 + length:
                return
            body = self.buffer[head_end + 4 : head_end + 4 + length]
            self.buffer = self.buffer[head_end + 4 + length :]
            method, target, _ = head.split(" ", 2)
            self.handle(method, target, head, body)

    def handle(self, method: str, target: str, head: str, body: bytes) -> None:
        url = urlsplit(target)
        if url.path in ("/counters", "/log"):
            self.answer(200, json.dumps(self.told(url.path)).encode())
            return
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        if "x-user" in headers:
            Stub.log.append({**headers, "path": url.path, "at_s": asyncio.get_running_loop().time()})
        if url.path == "/drop":
            Stub.dropped += 1
            self.transport.close()
            return
        for line in head.split("\r\n"):
            if line.lower().startswith("x-label: "):
                Stub.labels[line[9:]] += 1
        Stub.unstamped += "X-Request-Start: t=" not in head
        if onward := self.redirection(url.path):
            Stub.served += 1
            self.answer(302, b"", f"Location: {onward}\r\n")
            return
        status, delay_s = self.outcome(method, url.path, parse_qs(url.query), body)
        Stub.open_now += 1
        answer = b'{"fine": true}'
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self.finish, status, answer)
        else:
            self.finish(status, answer)

    @staticmethod
    def told(path: str) -> Any:
        if path == "/log":
            return Stub.log
        return {
            "served": Stub.served,
            "open": Stub.open_now,
            "connections": Stub.connections,
            "unstamped": Stub.unstamped,
            "dropped": Stub.dropped,
            "labels": Stub.labels,
        }

    def redirection(self, path: str) -> str | None:
        if path == "/away":
            return f"http://127.0.0.2:{self.transport.get_extra_info('sockname')[1]}/items/1"
        if path.startswith("/hop/") and (left := int(path.rpartition("/")[2])):
            return f"/hop/{left - 1}"
        return None

    def outcome(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, float]:
        if path.startswith("/status/"):
            return int(path.rpartition("/")[2]), 0.0
        if path == "/hold":
            return 200, float(query["s"][0])
        if path == "/data" and method == "POST":
            return (201 if {"name", "quantity"} <= json.loads(body).keys() else 422), 0.0
        if path == "/payload":
            return (200 if all({"id", "value", "label"} == row.keys() for row in json.loads(body)) else 422), 0.0
        if path == "/data":
            return 200, DATA_S
        if path.startswith("/items/"):
            return (200 if 1 <= int(path.rpartition("/")[2]) <= 1000 else 404), 0.0
        return (200 if path in ("/items", "/cpu", "/hop/0") else 404), 0.0

    def finish(self, status: int, answer: bytes) -> None:
        Stub.open_now -= 1
        Stub.served += 1
        self.answer(status, answer)

    def answer(self, status: int, body: bytes, more: str = "") -> None:
        head = f"HTTP/1.1 {status} X\r\n{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, HOSTS, port, backlog=1024)
    async with server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
