"""The same service on an event loop: while a request waits, others go on.

uvicorn quote_asgi:app
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

WAIT_S = 0.05
BODY = b'{"quote": 42}'

Message = MutableMapping[str, Any]


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """GET /ready answers at once, GET /quote after the wait, everything else with 404."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    status, body = await _answer(scope["method"], scope["path"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(method: str, path: str) -> tuple[int, bytes]:
    if method == "GET" and path == "/ready":
        return 200, b"{}"
    if method == "GET" and path == "/quote":
        await asyncio.sleep(WAIT_S)
        return 200, BODY
    return 404, b'{"error": "not found"}'


async def _live(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
