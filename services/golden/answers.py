"""The bytes of every answer, made once: bodies as the contract has them, so that any scenario can ask."""

from __future__ import annotations

from http import HTTPStatus

ERROR_STATUS = 500
NOT_FOUND_STATUS = 404

_BODIES: dict[tuple[bytes, bytes], tuple[int, bytes]] = {
    (b"GET", b"/data"): (200, b'{"upstream":{"quote":"The early request gets the worker.","source":"upstream"}}'),
    (b"POST", b"/data"): (201, b'{"id":"ord_d8b88892f8b359dc","name":"bolts","quantity":12,"tags":["small","steel"]}'),
    (b"GET", b"/items"): (
        200,
        b'{"items":[{"id":1,"name":"item-0001","colour":"blue","price_cents":136,"in_stock":true}],'
        b'"limit":1,"offset":0,"total":1000}',
    ),
    (b"POST", b"/payload"): (200, b'{"count":2,"sum":2,"checksum":"08817cfa"}'),
    (b"GET", b"/cpu"): (200, b'{"iterations":1,"state":"6c576fac43fd007c"}'),
    (b"GET", b"/hold"): (200, b'{"held_s":0.01}'),
}
_ITEM = (200, b'{"id":7,"name":"item-0007","colour":"amber","price_cents":358,"in_stock":true}')
_ERROR = (ERROR_STATUS, b'{"error":"programmed failure"}')
_NOT_FOUND = (NOT_FOUND_STATUS, b'{"error":"not in the contract"}')


def whole_answer(status: int, body: bytes, content_type: bytes = b"application/json", *, close: bool = False) -> bytes:
    """One answer, head and body."""
    phrase = HTTPStatus(status).phrase.encode()
    head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (status, phrase, content_type, len(body))
    return head + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body


def _both_ways(status: int, body: bytes) -> tuple[int, bytes, bytes]:
    return status, whole_answer(status, body), whole_answer(status, body, close=True)


_ANSWERS = {key: _both_ways(*answer) for key, answer in _BODIES.items()}
_ITEM_ANSWER, _ERROR_ANSWER, _NOT_FOUND_ANSWER = (_both_ways(*each) for each in (_ITEM, _ERROR, _NOT_FOUND))


def programmed(method: bytes, path: bytes, *, fails: bool, keep_alive: bool) -> tuple[int, bytes]:
    """Status and bytes for a request that the program answers."""
    if fails:
        answer = _ERROR_ANSWER
    elif method == b"GET" and path.startswith(b"/items/"):
        answer = _ITEM_ANSWER
    else:
        answer = _ANSWERS.get((method, path), _NOT_FOUND_ANSWER)
    return answer[0], answer[1] if keep_alive else answer[2]
