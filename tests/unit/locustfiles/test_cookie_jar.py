"""The lab's cookie jar does what Python's does, and is asked less."""

# mypy: allow-untyped-calls

from __future__ import annotations

from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import pytest
from _cookies import SparingCookieJar
from geventhttpclient.header import Headers

SITE = "http://shop.example/cart/7"
ANSWERS = (
    (("Content-Type", "text/plain"),),
    (("SET-COOKIE", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/cart")),
    (("set-cookie", "a=3; Path=/"), ("set-cookie", "b=; Path=/cart; Max-Age=0")),
    (("Set-Cookie2", 'c="4"; Version="1"; Path="/"'),),
    (("Set-Cookie", "other=5; Domain=elsewhere.example"),),
    (),
)


def sent_after(jar: CookieJar, answers: tuple[tuple[tuple[str, str], ...], ...]) -> list[str | None]:
    """The Cookie header of a request before each of the answers and after the last."""
    sent: list[str | None] = []
    for answer in (*answers, None):
        request = Request(SITE)
        jar.add_cookie_header(request)
        sent.append(request.get_header("Cookie"))
        if answer is not None:
            headers = Headers()
            for name, value in answer:
                headers.add(name, value)
            jar.extract_cookies(SimpleNamespace(info=lambda headers=headers: headers), request)  # type: ignore[arg-type]
    return sent


def test_the_same_cookies_are_sent_as_by_pythons_own_jar() -> None:
    sent = sent_after(SparingCookieJar(), ANSWERS)
    assert sent == sent_after(CookieJar(), ANSWERS)
    assert sent[:4] == [None, None, "b=2; a=1", "a=3"]


def test_without_a_cookie_pythons_own_jar_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(CookieJar, "add_cookie_header", refuse)
    monkeypatch.setattr(CookieJar, "extract_cookies", refuse)
    assert sent_after(SparingCookieJar(), ANSWERS[:1]) == [None, None]
    with pytest.raises(AssertionError):
        sent_after(SparingCookieJar(), ANSWERS[1:2])
