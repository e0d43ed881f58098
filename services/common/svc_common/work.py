"""The work behind the routes. It knows no framework: plain values in, JSON bytes out.

Everything is deterministic, so that both stacks answer the same bytes to the same request.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence

from svc_common import problem
from svc_common.json_body import encode
from svc_common.query import integer

__all__ = [
    "ALIVE",
    "BURN_DEFAULT",
    "BURN_MAX",
    "HOLD_DEFAULT_S",
    "HOLD_MAX_S",
    "ITEM_COUNT",
    "LABEL_MAX_CHARS",
    "LIST_DEFAULT_LIMIT",
    "LIST_MAX_LIMIT",
    "NAME_MAX_CHARS",
    "OFFSET_MAX",
    "QUANTITY_MAX",
    "READY",
    "RECORDS_MAX",
    "RECORD_ID_MAX",
    "RECORD_VALUE_MAX",
    "TAGS_MAX",
    "TAG_MAX_CHARS",
    "accept_order",
    "burn",
    "burned",
    "held",
    "item",
    "list_items",
    "summarise",
]

ITEM_COUNT = 1000
LIST_DEFAULT_LIMIT = 20
LIST_MAX_LIMIT = 100
OFFSET_MAX = 1_000_000
NAME_MAX_CHARS = 255
QUANTITY_MAX = 1_000_000
TAGS_MAX = 16
TAG_MAX_CHARS = 32
RECORDS_MAX = 10_000
RECORD_ID_MAX = 2_147_483_647
RECORD_VALUE_MAX = 1_000_000_000
LABEL_MAX_CHARS = 64
BURN_DEFAULT = 100_000
BURN_MAX = 10_000_000
HOLD_DEFAULT_S = 1.0
HOLD_MAX_S = 120.0

ALIVE = encode({"status": "alive"})
READY = encode({"status": "ready"})

_COLOURS = ("amber", "blue", "coral", "dun", "ecru", "fawn", "green")
_LCG_FACTOR = 6364136223846793005
_LCG_STEP = 1442695040888963407
_MASK_64_BIT = (1 << 64) - 1


def _make_item(number: int) -> dict[str, object]:
    return {
        "id": number,
        "name": f"item-{number:04d}",
        "colour": _COLOURS[number % len(_COLOURS)],
        "price_cents": 99 + number * 37 % 10_000,
        "in_stock": number % 5 != 0,
    }


_ITEMS = tuple(_make_item(number) for number in range(1, ITEM_COUNT + 1))


def item(id_text: str) -> bytes:
    """`GET /items/{id}`: the item with this number.

    Raises:
        ProblemError: 422 when the text is not a whole number, 404 when there is no such item.
    """
    try:
        number = integer(id_text)
    except ValueError as error:
        raise problem.invalid([problem.Detail(field="id", problem=str(error))]) from None
    if not 1 <= number <= ITEM_COUNT:
        raise problem.not_found("item")
    return encode(_ITEMS[number - 1])


def list_items(limit: int, offset: int) -> bytes:
    """`GET /items`: at most `limit` items from `offset` on, and how many there are in all."""
    page = _ITEMS[offset : offset + limit]
    return encode({"items": page, "limit": limit, "offset": offset, "total": ITEM_COUNT})


def accept_order(name: str, quantity: int, tags: Sequence[str]) -> bytes:
    """`POST /data`: the order as it was accepted, with an id that depends on nothing but its content."""
    content = encode({"name": name, "quantity": quantity, "tags": list(tags)})
    order_id = hashlib.sha256(content).hexdigest()[:16]
    return encode({"id": f"ord_{order_id}", "name": name, "quantity": quantity, "tags": list(tags)})


def summarise(records: Iterable[tuple[int, int, str]]) -> bytes:
    """`POST /payload`: count, sum of values, and CRC-32 of all (id, value, label) in order, in hexadecimal."""
    count = total = checksum = 0
    for record_id, value, label in records:
        count += 1
        total += value
        checksum = zlib.crc32(f"{record_id}:{value}:{label}\n".encode(), checksum)
    return encode({"count": count, "sum": total, "checksum": f"{checksum:08x}"})


def burn(iterations: int) -> int:
    """A CPU-bound burst of a fixed amount of work: steps of Knuth's MMIX linear congruential generator.

    It is pure Python on purpose: it holds the interpreter lock as an application's own code does.
    """
    state = 1
    for _ in range(iterations):
        state = (state * _LCG_FACTOR + _LCG_STEP) & _MASK_64_BIT
    return state


def burned(iterations: int, state: int) -> bytes:
    """The answer of `GET /cpu`."""
    return encode({"iterations": iterations, "state": f"{state:016x}"})


def held(duration_s: float) -> bytes:
    """The answer of `GET /hold`."""
    return encode({"held_s": duration_s})
