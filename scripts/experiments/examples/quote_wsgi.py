"""A blocking WSGI service: each request keeps a thread while it waits.

gunicorn --threads 8 quote_wsgi:app
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

WAIT_S = 0.05
BODY = b'{"quote": 42}'

StartResponse = Callable[[str, list[tuple[str, str]]], object]


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """GET /ready answers at once, GET /quote after the wait, everything else with 404."""
    status, body = _answer(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _answer(method: str, path: str) -> tuple[str, bytes]:
    if method == "GET" and path == "/ready":
        return "200 OK", b"{}"
    if method == "GET" and path == "/quote":
        time.sleep(WAIT_S)
        return "200 OK", BODY
    return "404 Not Found", b'{"error": "not found"}'
