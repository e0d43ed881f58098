"""Who may write: an API key, a JSON Web Token, or everybody. One check for both stacks."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import jwt

from svc_common import problem
from svc_common.settings import Settings

__all__ = ["API_KEY_HEADER", "JWT_ALGORITHM", "Authenticator", "authenticator"]

API_KEY_HEADER = "X-API-Key"
JWT_ALGORITHM = "HS256"

Authenticator = Callable[[str | None, str | None], None]
"""Takes the values of `X-API-Key` and `Authorization` (None when absent); raises `ProblemError` 401."""


def authenticator(settings: Settings) -> Authenticator | None:
    """The check that the settings ask for; None when it is off, so that nothing is called at all."""
    if settings.auth == "api_key" and settings.api_key is not None:
        return _api_key_check(settings.api_key)
    if settings.auth == "jwt" and settings.jwt_secret is not None:
        return _jwt_check(settings.jwt_secret)
    return None


def _api_key_check(key: str) -> Authenticator:
    expected = key.encode()

    def check(api_key: str | None, _authorization: str | None) -> None:
        given = (api_key or "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, expected):
            raise problem.unauthorized('ApiKey realm="service"')

    return check


def _jwt_check(secret: str) -> Authenticator:
    def check(_api_key: str | None, authorization: str | None) -> None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise problem.unauthorized('Bearer realm="service"')
        try:
            jwt.decode(token, secret, algorithms=[JWT_ALGORITHM], options={"require": ["exp"]})
        except jwt.InvalidTokenError:
            raise problem.unauthorized('Bearer realm="service", error="invalid_token"') from None

    return check
