"""Headers of every request out of LAB_HEADERS_JSON, for the lab's user classes and for anybody's.

They belong to the sessions: FastHttpUser and HttpUser, and any session that a locustfile makes itself. A header
that a single request sets wins over them, they win over what a class has in ``default_headers``. A redirect to
another origin does not carry them along.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def headers_from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The headers; SystemExit with one line, which tells no value, where they are not an object of texts."""
    text = environ.get("LAB_HEADERS_JSON", "{}")
    try:
        headers = json.loads(text)
    except ValueError as error:
        raise SystemExit(f"LAB_HEADERS_JSON: not JSON ({error}); expected an object of names and values") from None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise SystemExit("LAB_HEADERS_JSON: expected an object whose values are texts")
    for name, value in headers.items():
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise SystemExit(f"LAB_HEADERS_JSON: {name!r} or its value is no header; expected one line of text")
    return headers


def sent_by_fast_session(make: Callable[..., None], headers: Mapping[str, str]) -> Callable[..., None]:
    """Wrap FastHttpSession.__init__: its requests carry the headers, and it never resends one."""

    def making(session: Any, *args: Any, **kwargs: Any) -> None:
        make(session, *args, **kwargs)
        session.client.max_retries = 0
        session.client.default_headers.update(headers)

    return making


def sent_by_session(make: Callable[..., None], headers: Mapping[str, str]) -> Callable[..., None]:
    """Wrap HttpSession.__init__: its requests carry the headers."""

    def making(session: Any, *args: Any, **kwargs: Any) -> None:
        make(session, *args, **kwargs)
        session.headers.update(headers)

    return making
