"""What Locust's web application answers goes out at once."""

# mypy: disable-error-code="misc, no-untyped-call"
# (gevent has no types)

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import gevent
import gevent.socket
import pytest
from _prompt import answer_at_once
from gevent import pywsgi


def _is_prompt() -> int:
    """Ask a server that is made as Locust makes its own; whether its side of the connection had TCP_NODELAY."""
    had: list[int] = []

    def app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        handler = start_response.__self__  # type: ignore[attr-defined]
        had.append(handler.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]

    server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    try:
        with gevent.Timeout(20), gevent.socket.create_connection(("127.0.0.1", server.server_port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(4096), b""))
    finally:
        server.stop()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"{}")
    return had[0]


def test_the_body_of_an_answer_waits_for_no_acknowledgement_of_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pywsgi.WSGIServer, "handler_class", pywsgi.WSGIHandler)
    assert not _is_prompt(), "gevent does it by itself now: locustfiles/_prompt.py can go"
    answer_at_once()
    assert _is_prompt()
