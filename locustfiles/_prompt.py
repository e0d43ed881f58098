"""Answers of Locust's web application that are sent at once.

gevent writes the head and the body of an answer one after the other, and Nagle's algorithm keeps the second back until
the first is acknowledged, which whoever asked puts off for 40 ms: every call of the engine took that long.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import socket
from typing import Any

from gevent import pywsgi


class PromptHandler(pywsgi.WSGIHandler):
    """A connection without Nagle's algorithm: TCP_NODELAY, tcp(7)."""

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, address, server)


def answer_at_once() -> None:
    """Have every server that gevent makes from here on, such as Locust's, answer so."""
    pywsgi.WSGIServer.handler_class = PromptHandler  # type: ignore[assignment] # it is inferred too narrowly
