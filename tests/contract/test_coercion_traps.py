"""The table of coercion traps: what a lax validator lets through, both stacks refuse, and alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

JSON = {"Content-Type": "application/json"}

# (body, fields that are at fault)
REFUSED_ORDERS = {
    "a float that is whole": ('{"name":"a","quantity":1.0}', ["quantity"]),
    "a float in exponent form": ('{"name":"a","quantity":1e0}', ["quantity"]),
    "a number in a string": ('{"name":"a","quantity":"1"}', ["quantity"]),
    "true for 1": ('{"name":"a","quantity":true}', ["quantity"]),
    "null": ('{"name":"a","quantity":null}', ["quantity"]),
    "zero": ('{"name":"a","quantity":0}', ["quantity"]),
    "one too many": ('{"name":"a","quantity":1000001}', ["quantity"]),
    "more than 64 bits": ('{"name":"a","quantity":99999999999999999999}', ["quantity"]),
    "infinity by overflow": ('{"name":"a","quantity":1e999}', ["quantity"]),
    "a number for a text": ('{"name":1,"quantity":1}', ["name"]),
    "an empty text": ('{"name":"","quantity":1}', ["name"]),
    "256 characters": ('{"name":"%s","quantity":1}' % ("x" * 256), ["name"]),
    "256 characters of 4 bytes": ('{"name":"%s","quantity":1}' % ("\U0001d54f" * 256), ["name"]),
    "an extra key": ('{"name":"a","quantity":1,"colour":"red"}', ["colour"]),
    "missing keys": ("{}", ["name", "quantity"]),
    "null for an optional key": ('{"name":"a","quantity":1,"tags":null}', ["tags"]),
    "a text for a list": ('{"name":"a","quantity":1,"tags":"red"}', ["tags"]),
    "an object for a list": ('{"name":"a","quantity":1,"tags":{}}', ["tags"]),
    "17 tags": ('{"name":"a","quantity":1,"tags":' + str(["t"] * 17).replace("'", '"') + "}", ["tags"]),
    "a tag of 33 characters": ('{"name":"a","quantity":1,"tags":["%s"]}' % ("x" * 33), ["tags.0"]),
    "a number among tags": ('{"name":"a","quantity":1,"tags":["a",2]}', ["tags.1"]),
    "a list for an object": ("[]", [""]),
    "null for an object": ("null", [""]),
    "a text for an object": ('"a"', [""]),
}

MALFORMED_BODIES = {
    "nothing": b"",
    "half a document": b'{"name":',
    "two documents": b"{} {}",
    "a trailing comma": b'{"name":"a","quantity":1,}',
    "NaN": b'{"name":"a","quantity":NaN}',
    "minus infinity": b'{"name":"a","quantity":-Infinity}',
    "a byte order mark": b'\xef\xbb\xbf{"name":"a","quantity":1}',
    "UTF-16": '{"name":"a","quantity":1}'.encode("utf-16"),
    "bytes that are not UTF-8": b'{"name":"\xff","quantity":1}',
    "a lone surrogate": b'{"name":"\\ud800","quantity":1}',
    "too deep a nesting": b"[" * 100_000,
    "an integer too long to convert": b'{"name":"a","quantity":1' + b"0" * 5000 + b"}",
}

REFUSED_RECORDS = {
    "a number among records": ('[{"id":1,"value":1,"label":"a"},2]', ["1"]),
    "a float for an integer": ('[{"id":1,"value":1.0,"label":"a"}]', ["0.value"]),
    "true for an id": ('[{"id":true,"value":1,"label":"a"}]', ["0.id"]),
    "an id beyond 31 bits": ('[{"id":2147483648,"value":1,"label":"a"}]', ["0.id"]),
    "an extra key": ('[{"id":1,"value":1,"label":"a","x":1}]', ["0.x"]),
    "an object for the list": ('{"id":1,"value":1,"label":"a"}', [""]),
    "10001 records": ("[" + '{"id":1,"value":1,"label":"a"},' * 10_000 + '{"id":1,"value":1,"label":"a"}]', [""]),
}

REFUSED_QUERIES = {
    "/items?limit=0": ["limit"],
    "/items?limit=101": ["limit"],
    "/items?limit=1.0": ["limit"],
    "/items?limit=%2B1": ["limit"],
    "/items?limit=%201": ["limit"],
    "/items?limit=1_0": ["limit"],
    "/items?limit=01": ["limit"],
    "/items?limit=%D9%A1": ["limit"],
    "/items?limit=": ["limit"],
    "/items?limit=true": ["limit"],
    "/items?limit=1&limit=2": ["limit"],
    "/items?offset=-1": ["offset"],
    "/items?offset=99999999999999999999999": ["offset"],
    "/items?page=1": ["page"],
    "/items?limit=x&offset=y&page=z": ["limit", "offset", "page"],
    "/items/abc": ["id"],
    "/items/1.0": ["id"],
    "/items/%2B1": ["id"],
    "/items/01": ["id"],
    "/items/%D9%A1": ["id"],
    "/items/1%0A": ["id"],
    "/items/true": ["id"],
    "/cpu?n=0": ["n"],
    "/cpu?n=10000001": ["n"],
    "/cpu?n=1e3": ["n"],
    "/hold?s=-0.1": ["s"],
    "/hold?s=120.1": ["s"],
    "/hold?s=nan": ["s"],
    "/hold?s=inf": ["s"],
    "/hold?s=.5": ["s"],
    "/hold?s=1e999": ["s"],
}

ELSEWHERE = {
    ("GET", "/"): 404,
    ("GET", "/nothing"): 404,
    ("GET", "/items/"): 404,
    ("GET", "/items//1"): 404,
    ("GET", "/items/1/"): 404,
    ("GET", "/items/a%2Fb"): 404,
    ("GET", "/ITEMS"): 404,
    ("GET", "/items/0"): 404,
    ("GET", "/items/-1"): 404,
    ("GET", "/items/1001"): 404,
    ("GET", "/items/" + "9" * 200): 404,
    ("HEAD", "/items"): 405,
    ("OPTIONS", "/items"): 405,
    ("POST", "/items/1"): 405,
    ("PUT", "/data"): 405,
    ("DELETE", "/payload"): 405,
    ("GET", "/payload"): 405,
    ("TRACE", "/livez"): 405,
}


@pytest.fixture
def post(both: tuple[Any, Any], comparable: Callable[[httpx.Response], object]) -> Callable[..., httpx.Response]:
    """Post to both stacks, check that they answer alike, and return one of the answers."""

    def send(path: str, body: str | bytes, headers: dict[str, str] = JSON) -> httpx.Response:
        content = body.encode() if isinstance(body, str) else body
        answers = [service.request("POST", path, content=content, headers=headers) for service in both]
        assert comparable(answers[0]) == comparable(answers[1])
        first: httpx.Response = answers[0]
        return first

    return send


@pytest.fixture
def ask(both: tuple[Any, Any], comparable: Callable[[httpx.Response], object]) -> Callable[..., httpx.Response]:
    """Ask both stacks without a body, check that they answer alike, and return one of the answers."""

    def send(method: str, path: str) -> httpx.Response:
        answers = [service.request(method, path) for service in both]
        assert comparable(answers[0]) == comparable(answers[1])
        first: httpx.Response = answers[0]
        return first

    return send


def _fault(response: httpx.Response) -> tuple[int, str, list[str]]:
    error = response.json()["error"]
    return response.status_code, error["code"], [item["field"] for item in error["details"]]


@pytest.mark.parametrize(("body", "fields"), REFUSED_ORDERS.values(), ids=REFUSED_ORDERS)
def test_an_order_that_does_not_fit_is_refused_field_by_field(
    post: Callable[..., httpx.Response], body: str, fields: list[str]
) -> None:
    assert _fault(post("/data", body)) == (422, "invalid", fields)


@pytest.mark.parametrize("body", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
def test_a_body_that_is_not_one_json_document_in_utf8_is_malformed(
    post: Callable[..., httpx.Response], body: bytes
) -> None:
    assert _fault(post("/data", body)) == (422, "malformed_json", [""])


@pytest.mark.parametrize(("body", "fields"), REFUSED_RECORDS.values(), ids=REFUSED_RECORDS)
def test_records_that_do_not_fit_are_refused(post: Callable[..., httpx.Response], body: str, fields: list[str]) -> None:
    assert _fault(post("/payload", body)) == (422, "invalid", fields)


@pytest.mark.parametrize(("path", "fields"), REFUSED_QUERIES.items(), ids=REFUSED_QUERIES)
def test_a_number_in_a_path_or_query_is_plain_decimal_and_within_limits(
    ask: Callable[..., httpx.Response], path: str, fields: list[str]
) -> None:
    assert _fault(ask("GET", path)) == (422, "invalid", fields)


@pytest.mark.parametrize(("request_line", "status"), ELSEWHERE.items(), ids=[" ".join(key)[:40] for key in ELSEWHERE])
def test_what_the_contract_does_not_list_is_not_there(
    ask: Callable[..., httpx.Response], request_line: tuple[str, str], status: int
) -> None:
    response = ask(*request_line)
    assert response.status_code == status
    assert ("allow" in response.headers) == (status == 405)


def test_allow_lists_every_method_of_the_path(ask: Callable[..., httpx.Response]) -> None:
    assert ask("PUT", "/data").headers["allow"] == "GET, POST"


def test_only_the_first_16_faults_are_listed(post: Callable[..., httpx.Response]) -> None:
    response = post("/payload", str([0] * 40))
    assert len(response.json()["error"]["details"]) == 16


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_of_another_media_type_is_refused(post: Callable[..., httpx.Response], content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert post("/data", '{"name":"a","quantity":1}', headers).status_code == 415


def test_json_with_a_charset_and_in_capitals_is_taken(post: Callable[..., httpx.Response]) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert post("/data", '{"name":"a","quantity":1}', headers).status_code == 201


@pytest.mark.parametrize(("name", "quantity"), [("x" * 255, 1), ("\U0001d54f" * 255, 1_000_000), ('"\\\n\x00\x7f', 7)])
def test_an_order_at_its_limits_comes_back_as_it_was_sent(
    post: Callable[..., httpx.Response], name: str, quantity: int
) -> None:
    order = {"name": name, "quantity": quantity, "tags": ["t" * 32] * 16}
    response = post("/data", httpx.Request("POST", "http://x", json=order).content)
    assert response.status_code == 201
    assert {**response.json(), "id": None} == {**order, "id": None}


def test_the_id_of_an_order_depends_on_its_content_alone(post: Callable[..., httpx.Response]) -> None:
    plain, reordered, other = '{"name":"a","quantity":1}', '{"quantity":1, "name":"a"}', '{"name":"a","quantity":2}'
    first, second, third = (post("/data", body).json()["id"] for body in (plain, reordered, other))
    assert first == second != third


def test_a_payload_is_summed_up(post: Callable[..., httpx.Response]) -> None:
    body = '[{"id":1,"value":5,"label":"a"},{"id":2,"value":-3,"label":"b"}]'
    assert post("/payload", body).json() == {"count": 2, "sum": 2, "checksum": "08817cfa"}


def test_a_page_beyond_the_end_is_empty(ask: Callable[..., httpx.Response]) -> None:
    assert ask("GET", "/items?limit=5&offset=998").json()["items"][-1]["id"] == 1000
    assert ask("GET", "/items?offset=1000").json()["items"] == []
