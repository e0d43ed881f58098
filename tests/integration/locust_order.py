"""One process with Locust and the lab in it: what happens in which order around a request. Prints JSON.

A FastHttpSession asks a server in the same process, twice on one connection, while another greenlet takes every turn
it gets. Its turns and the write to the socket are noted, with whether the clock of the request runs by then.
"""

# mypy: allow-untyped-calls, disable-error-code="attr-defined"

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import _window
import gevent
import gevent.socket
from _recorder import UNSENT
from gevent.server import StreamServer
from locust import events
from locust.contrib.fasthttp import FastHttpSession

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answer(sock: Any, _: Any) -> None:
    while sock.recv(65536):
        sock.sendall(ANSWER)


def around_a_request() -> list[str]:
    """What happened around the second request, whose connection is there already, up to its write."""
    recorder, me = _window.RECORDER, gevent.getcurrent()
    notes: list[str] = []
    server = StreamServer(("127.0.0.1", 0), answer)
    server.start()
    session = FastHttpSession(f"http://127.0.0.1:{server.server_port}", events.request, None, concurrency=1)
    sendall = gevent.socket.socket.sendall

    def note(what: str) -> None:
        is_prepared = recorder.in_flight.get(me) is UNSENT
        notes.append(f"{what}, {'being prepared' if is_prepared else 'clock runs'}")

    def noted_sendall(sock: Any, data: bytes, *rest: Any) -> Any:
        if data.startswith(b"GET"):
            note("write")
            spinner.kill(block=False)
        return sendall(sock, data, *rest)

    def other() -> None:
        while True:
            gevent.sleep(0)
            note("turn of another")

    session.request("GET", "/first")
    spinner = gevent.spawn(other)
    gevent.sleep(0)
    gevent.socket.socket.sendall = noted_sendall
    session.request("GET", "/second")
    gevent.socket.socket.sendall = sendall
    server.stop()
    return notes


def due_after_waits() -> dict[str, list[float]]:
    """[start of the wait, when the next request is due] for no wait, a wait of one's own, and an imposed one."""
    recorder, waits = _window.RECORDER, _window.WAITS
    sleep, me = waits.between_tasks(), gevent.getcurrent()
    user = SimpleNamespace(lab_think_s=None)
    seen = {}
    for name, own_s, think_s in (("none", 0.0, None), ("own", 0.002, None), ("imposed", 60.0, 0.003)):
        user.lab_think_s = think_s
        sleep(SimpleNamespace(_user=user), own_s)
        began = recorder.chores[-2] if name == "none" else recorder.thinks[-2]
        seen[name] = [began, recorder.due[me]]
    waits.forget(me)
    return seen


if __name__ == "__main__":
    print(json.dumps({"request": around_a_request(), "due": due_after_waits()}))
