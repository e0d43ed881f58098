"""What is worked out once is what the client would have worked out each time, by the client itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.request import Request

import pytest
from _known_requests import (
    KEPT_HEADS,
    MARK,
    OF_AN_URL,
    REQUEST_ID,
    REQUEST_START,
    STAMPS,
    KnownURL,
    parsed_once,
    written_once,
)
from geventhttpclient.client import HTTPClient
from geventhttpclient.header import Headers
from geventhttpclient.url import URL
from geventhttpclient.useragent import CompatRequest
from hypothesis import given
from hypothesis import strategies as st

ADDRESSES = st.sampled_from(
    [
        "http://127.0.0.1:8000/items/1",
        "http://127.0.0.1:8000/items/1?page=2&size=10#top",
        "http://127.0.0.1:8000",
        "http://[::1]:80/a b;v=1?q=ü",
        "https://user:secret@Example.org/%7Eme/../x",
        "http://host/?",
        "",
        "//host/path",
    ]
)
FIELDS = st.sampled_from(["Accept", "X-Id", "Content-Length", "Transfer-Encoding", "Host", "X-Request-Start", *STAMPS])
VALUES = st.one_of(
    st.sampled_from(["1", "chunked", "t=1.5", "t=2.5", "", "a\tb", "\xfc", "a\nb", MARK, f"{MARK}{MARK}"]),
    st.sampled_from([1, True, ["a", "b"]]),
)
HEADERS = st.lists(st.tuples(FIELDS, VALUES), max_size=4)
BODIES = st.sampled_from([b"", b"x", b"yy", bytearray(b"yy"), "z"])
CALLS = st.lists(
    st.tuples(
        st.sampled_from(["GET", "POST", "DELETE", "bad method", 7]),
        st.sampled_from(["/items/1", "/items/2", "items", "/a b", "//host/path", 7]),
        BODIES,
        HEADERS,
        st.sampled_from([None, False, True]),
    ),
    max_size=12,
)


@given(ADDRESSES, ADDRESSES)
def test_a_known_url_is_the_url_in_all_that_it_is_asked_for(address: str, other: str) -> None:
    url, known = URL(address), KnownURL(address)
    for _ in range(2):
        assert [getattr(known, name) for name in OF_AN_URL] == [getattr(url, name) for name in OF_AN_URL]
    assert (str(known), tuple(known)) == (str(url), tuple(url))
    assert known == url
    assert known.redirect(other) == url.redirect(other)


def test_a_known_url_is_as_wrong_as_the_url_each_time() -> None:
    known = KnownURL("http://host:99999/")
    for _ in range(2):
        with pytest.raises(ValueError, match="Port"):
            _ = known.port


@given(st.lists(st.tuples(ADDRESSES, st.sampled_from([None, {"page": "1"}, {}])), min_size=1, max_size=4))
def test_a_request_has_the_address_that_it_would_have(asked: list[tuple[str, Any]]) -> None:
    setting = parsed_once(CompatRequest.set_url)
    for address, params in asked:
        with_it, without = _blank(), _blank()
        setting(with_it, address, params=params)
        CompatRequest.set_url(without, address, params=params)
        assert vars(with_it) == vars(without)


def test_an_address_is_parsed_once_for_all_requests() -> None:
    setting, one, two = parsed_once(CompatRequest.set_url), _blank(), _blank()
    setting(one, "http://host/items")
    setting(two, "http://host/items")
    assert one.url_split is two.url_split


def test_a_request_that_was_redirected_leaves_the_address_of_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CompatRequest, "set_url", parsed_once(CompatRequest.set_url))
    one, two = (CompatRequest("http://host/items", headers=Headers()) for _ in range(2))
    one.redirect(302, "/elsewhere?a=1")
    assert (one.url, one.selector) == ("http://host/elsewhere?a=1", "/elsewhere?a=1")
    assert (two.url, two.selector, two.url_split.quoted_uri) == ("http://host/items", "/items", "/items")


@given(CALLS, st.lists(st.tuples(FIELDS, st.sampled_from(["1", "2"])), max_size=2))
def test_a_head_is_the_one_that_the_client_would_write(calls: list[Any], defaults: list[tuple[str, str]]) -> None:
    building = written_once(HTTPClient._build_request)
    client, plain = HTTPClient("host", 8000), HTTPClient("host", 8000)
    for method, uri, body, fields, chunked in calls + calls[::-1]:
        headers = Headers(fields)
        given_ = {"body": body, "headers": headers, "chunked": chunked}
        kept = _outcome(building, client, method, uri, given_)
        assert kept == _outcome(HTTPClient._build_request, plain, method, uri, given_)
    client.default_headers.update(Headers(defaults))  # the client's own may be changed between two requests
    plain.default_headers.update(Headers(defaults))
    for method, uri, body, fields, chunked in calls:
        given_ = {"body": body, "headers": Headers(fields), "chunked": chunked}
        assert _outcome(building, client, method, uri, given_) == _outcome(
            HTTPClient._build_request, plain, method, uri, given_
        )


def test_a_head_is_written_once_for_a_client_and_the_length_of_a_body() -> None:
    written: list[Any] = []

    def build(*given_: Any, **_: Any) -> str:
        written.append(given_)
        return HTTPClient._build_request(*given_, **_)

    building, client, headers = written_once(build), HTTPClient("host", 8000), Headers({"X-Id": "1"})
    for body in (b"aa", b"bb", b"ccc", b"dd"):
        building(client, "POST", "/items", body=body, headers=headers, chunked=False)
    assert len(written) == 2
    building(HTTPClient("other", 8000), "POST", "/items", body=b"aa", headers=headers, chunked=False)
    assert len(written) == 3


def test_what_users_of_the_lab_stamp_anew_does_not_write_the_head_anew() -> None:
    written: list[Any] = []

    def build(*given_: Any, **_: Any) -> str:
        written.append(given_)
        return HTTPClient._build_request(*given_, **_)

    building, client = written_once(build), HTTPClient("host", 8000)
    for number in range(5):
        headers = Headers({"Accept": "x", REQUEST_START: f"t={number}.5", REQUEST_ID: str(number), "X-Last": "y"})
        head = building(client, "GET", "/items", body=b"", headers=headers, chunked=False)
        anew = HTTPClient("host", 8000)._build_request("GET", "/items", body=b"", headers=headers, chunked=False)
        assert head == anew
    assert len(written) == 1


def test_heads_that_are_all_unlike_are_not_kept_without_end() -> None:
    building, client = written_once(HTTPClient._build_request), HTTPClient("host", 8000)
    for number in range(5 * KEPT_HEADS):
        head = building(client, "GET", "/items", body=b"", headers=Headers({"X-Id": str(number)}), chunked=False)
        assert f"X-Id: {number}\r\n" in head
    assert len(client.lab_heads) <= KEPT_HEADS  # type: ignore[attr-defined]


def _blank() -> CompatRequest:
    blank = CompatRequest.__new__(CompatRequest)
    assert isinstance(blank, Request)
    return blank


def _outcome(build: Callable[..., str], client: HTTPClient, method: Any, uri: Any, given_: dict[str, Any]) -> object:
    """The head, or the error that there is instead."""
    try:
        return build(client, method, uri, **given_)
    except (ValueError, TypeError, AttributeError) as error:
        return type(error), str(error)
