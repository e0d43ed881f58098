"""A cookie jar that is only asked where there is a cookie.

FastHttpUser goes through http.cookiejar for each request and each answer, also where no answer ever sets a cookie: a
fourteenth of the processor time that a request costs the generator, for nothing.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from http.cookiejar import CookieJar
from typing import Any

SETTERS = ("set-cookie", "set-cookie2")


class SparingCookieJar(CookieJar):
    """A CookieJar in all that can be seen from outside."""

    def add_cookie_header(self, request: Any) -> None:
        """Nothing to add, and nothing that expires, while the jar is empty."""
        if self._cookies:  # type: ignore[attr-defined]  # its stubs leave it out
            super().add_cookie_header(request)

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Nothing to take out of an answer that sets none."""
        headers = response.info()
        if any(name in headers for name in SETTERS):
            super().extract_cookies(response, request)
