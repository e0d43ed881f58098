"""What of a request is the same each time is worked out once.

geventhttpclient parses, splits and quotes the address and writes the head of each request anew, for the same text. Both
are kept here, in all that can be seen from outside as they were. What the lab's users say anew in each request, when it
was begun and which one it is, is put into the head that is kept.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from itertools import chain, zip_longest
from typing import Any

from geventhttpclient.header import Headers
from geventhttpclient.url import URL

KEPT_URLS = 4096
"""Of a process; of scenarios with more of them the oldest are parsed again."""
KEPT_HEADS = 16
"""Of a client, the first ones: where a user has more, as with an identifier in each path, they are written anew."""
REQUEST_START, REQUEST_ID = "X-Request-Start", "X-Lab-Request-Id"
"""When the generator began a request (``_user.py``), and which one it is (``_request_log.py``)."""
STAMPS = (REQUEST_START.lower(), REQUEST_ID.lower())
"""Header fields whose value is another one in each request."""
MARK = "lab-stamp-5d1f0c"
"""Stands for a stamp in a head that is kept; a head that has it otherwise is written anew."""
OF_AN_URL = ("scheme", "netloc", "host", "port", "request_uri", "quoted_uri")
"""What the client asks an address for."""


def _once(name: str) -> Any:
    return cached_property(lambda url: getattr(super(KnownURL, url), name))


class KnownURL(URL):
    """An URL that works out once what the client asks it for."""

    scheme, netloc, host, port = _once("scheme"), _once("netloc"), _once("host"), _once("port")
    request_uri, quoted_uri = _once("request_uri"), _once("quoted_uri")


def parsed_once(set_url: Callable[..., None]) -> Callable[..., None]:
    """Wrap CompatRequest.set_url: an address that was seen before is not parsed again."""
    known = lru_cache(maxsize=KEPT_URLS)(KnownURL)

    def setting(request: Any, url: Any, params: Any = None) -> None:
        if params is not None or url.__class__ is not str:
            set_url(request, url, params)
            return
        request.url, split = url, known(url)
        request.url_split = split
        request.type, request.host = split.scheme, split.netloc
        request.selector = split.request_uri or "/"

    return setting


def written_once(build: Callable[..., str]) -> Callable[..., str]:
    """Wrap HTTPClient._build_request: a head that this client wrote before is not written again, but for its stamps."""

    def building(
        client: Any, method: Any, request_uri: Any, body: Any = b"", headers: Any = None, chunked: Any = None
    ) -> str:
        told = {"body": body, "headers": headers, "chunked": chunked}
        plain = _plain_lines(client, body, headers)
        if plain is None:
            return build(client, method, request_uri, **told)
        lines, stamps = plain
        heads = client.__dict__.setdefault("lab_heads", {})
        key = (method, request_uri, len(body), chunked, *lines)
        parts: list[str] | None = heads.get(key)
        if parts is None:
            if len(heads) >= KEPT_HEADS:
                return build(client, method, request_uri, **told)
            parts = build(client, method, request_uri, **{**told, "headers": _marked(headers)}).split(MARK)
            heads[key] = parts
        if len(parts) != len(stamps) + 1:
            return build(client, method, request_uri, **told)
        return parts[0] if not stamps else "".join(chain.from_iterable(zip_longest(parts, stamps, fillvalue="")))

    return building


def _plain_lines(client: Any, body: Any, headers: Any) -> tuple[list[Any], list[str]] | None:
    """The fields that a head is made of, and the values of those that are stamps, which are left out.

    None where any of it is not plain text: a field of several lines, a number as a value, a file as a body.
    """
    if body.__class__ is not bytes or headers.__class__ is not Headers:
        return None
    lines, stamps = list(dict.values(client.default_headers)), list[str]()
    for line in lines:
        if line.__class__ is not tuple or line[1].__class__ is not str or line[0].lower() in STAMPS:
            return None
    for name, line in dict.items(headers):
        if line.__class__ is not tuple or line[1].__class__ is not str:
            return None
        if _is_stamp(name, line[1]):
            stamps.append(line[1])
            lines.append(line[0])
        else:
            lines.append(line)
    return lines, stamps


def _marked(headers: Headers) -> Headers:
    """The same fields with the mark in the place of each stamp."""
    marked, lines = headers.copy(), dict[str, Any](dict.items(headers))
    for name, (field, value) in lines.items():
        if _is_stamp(name, value):
            marked[field] = MARK
    return marked


def _is_stamp(name: str, value: str) -> bool:
    """Whether the client would write any such value as it stands."""
    return name in STAMPS and value.isascii() and value.isprintable()
