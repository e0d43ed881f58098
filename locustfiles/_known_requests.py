"""What of a request is the same each time is worked out once.

geventhttpclient parses, splits and quotes the address and writes the head of each request anew: a sixth of the
processor time that a request costs the generator, for the same text. Both are kept here, in all that can be seen from
outside as they were.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

from geventhttpclient.header import Headers
from geventhttpclient.url import URL

KEPT_URLS = 4096
"""Of a process; of scenarios with more of them the oldest are parsed again."""
OF_AN_URL = ("scheme", "netloc", "host", "port", "request_uri", "quoted_uri")
KEPT_HEADS = 16
"""Of a client, which is one user's: with an identifier in each request, more would only be memory."""


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
    """Wrap HTTPClient._build_request: a head that this client wrote before is not written again."""

    def building(
        client: Any, method: Any, request_uri: Any, body: Any = b"", headers: Any = None, chunked: Any = None
    ) -> str:
        key = _key(client, method, request_uri, body, headers, chunked)
        if key is None:
            return build(client, method, request_uri, body=body, headers=headers, chunked=chunked)
        heads = client.__dict__.setdefault("lab_heads", {})
        head: str | None = heads.get(key)
        if head is None:
            if len(heads) >= KEPT_HEADS:
                heads.clear()
            head = heads[key] = build(client, method, request_uri, body=body, headers=headers, chunked=chunked)
        return head

    return building


def _key(client: Any, method: Any, request_uri: Any, body: Any, headers: Any, chunked: Any) -> Any:
    """All that a head is made of beside its client, of whose body it has the length.

    None where any of it is not plain text: a field of several lines, a number as a value, a file as a body.
    """
    if body.__class__ is not bytes or headers.__class__ is not Headers:
        return None
    lines = (*dict.values(client.default_headers), *dict.values(headers))
    for line in lines:
        if line.__class__ is not tuple or line[1].__class__ is not str:
            return None
    return (method, request_uri, len(body), chunked, lines)
