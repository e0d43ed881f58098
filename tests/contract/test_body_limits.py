"""A body longer than the limit is refused with 413, whether its length is declared or not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx

LIMIT_BYTES = 1_048_576
ORDER = b'{"name":"a","quantity":1}'
HEADERS = {"Content-Type": "application/json"}


def _padded(size_bytes: int) -> bytes:
    return ORDER + b" " * (size_bytes - len(ORDER))


def _in_chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


def test_a_body_of_exactly_the_limit_is_taken(stack: Any) -> None:
    body = _padded(LIMIT_BYTES)
    assert stack.request("POST", "/data", content=body, headers=HEADERS).status_code == 201
    assert stack.request("POST", "/data", content=_in_chunks(body), headers=HEADERS).status_code == 201


def test_a_declared_length_beyond_the_limit_is_refused(stack: Any) -> None:
    response = stack.request("POST", "/data", content=_padded(LIMIT_BYTES + 1), headers=HEADERS)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_a_chunked_body_beyond_the_limit_is_refused(stack: Any) -> None:
    response = stack.request("POST", "/payload", content=_in_chunks(_padded(LIMIT_BYTES + 1)), headers=HEADERS)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_a_huge_declared_length_is_refused_before_the_body_is_sent(stack: Any) -> None:
    head = f"POST /data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {10**12}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_service_goes_on_after_a_refused_body(stack: Any) -> None:
    for _ in range(3):
        assert stack.request("POST", "/data", content=_padded(3 * LIMIT_BYTES), headers=HEADERS).status_code == 413
        assert stack.request("POST", "/data", content=ORDER, headers=HEADERS).status_code == 201


def test_a_kept_connection_goes_on_after_a_refused_body_that_is_short(stack: Any) -> None:
    with httpx.Client(base_url=stack.url, trust_env=False) as client:
        for _ in range(3):
            assert client.post("/data", content=ORDER, headers={"Content-Type": "text/plain"}).status_code == 415
            assert client.post("/data", content=ORDER, headers=HEADERS).status_code == 201


def test_a_body_that_ends_early_does_not_hurt_the_service(stack: Any) -> None:
    head = b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head)
    assert stack.get("/livez").status_code == 200
    assert "Traceback" not in stack.log
