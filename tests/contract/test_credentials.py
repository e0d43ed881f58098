"""With auth on, `POST /data` is reached with valid credentials only, and both stacks challenge alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

KEY = "key-of-the-contract-tests"
SECRET = "a secret of at least thirty-two bytes"
OTHER_SECRET = "another secret of thirty-two bytes, at least"
ORDER = {"name": "bolts", "quantity": 1}

Post = Callable[..., httpx.Response]


def _token(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode({"exp": int(time.time()) + 600, **claims}, secret, algorithm=algorithm)


@pytest.fixture(scope="module")
def guarded_by_key(launch_for_session: Callable[..., Any]) -> tuple[Any, Any]:
    """Both stacks with an API key; bursts go to a thread, which the last tests here look at."""
    variables = {"SVC_AUTH": "api_key", "SVC_API_KEY": KEY, "SVC_CPU_MODE": "thread"}
    return _launch_both(launch_for_session, variables)


@pytest.fixture(scope="module")
def guarded_by_token(launch_for_session: Callable[..., Any]) -> tuple[Any, Any]:
    """Both stacks with tokens; bursts go to a process, which the last tests here look at."""
    variables = {"SVC_AUTH": "jwt", "SVC_JWT_SECRET": SECRET, "SVC_CPU_MODE": "process"}
    return _launch_both(launch_for_session, variables)


def _launch_both(launch: Callable[..., Any], variables: dict[str, str]) -> tuple[Any, Any]:
    return launch("flask_gunicorn", **variables), launch("fastapi_uvicorn", **variables)


@pytest.fixture
def post(comparable: Callable[[httpx.Response], object]) -> Post:
    """Post the order to both stacks, check that they answer alike, and return one of the answers."""

    def send(services: tuple[Any, Any], headers: list[tuple[str, str]], body: object = ORDER) -> httpx.Response:
        answers = [service.request("POST", "/data", json=body, headers=headers) for service in services]
        assert comparable(answers[0]) == comparable(answers[1])
        first: httpx.Response = answers[0]
        return first

    return send


def test_the_right_key_is_accepted(post: Post, guarded_by_key: tuple[Any, Any]) -> None:
    assert post(guarded_by_key, [("X-API-Key", KEY)]).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-API-Key", "")],
        [("X-API-Key", KEY[:-1])],
        [("X-API-Key", KEY.upper())],
        [("X-API-Key", KEY), ("X-API-Key", KEY)],
        [("Authorization", f"Bearer {KEY}")],
        [("X-API-Key", "\N{SNOWMAN}".encode().decode("latin-1"))],
    ],
    ids=["none", "empty", "too short", "capitals", "twice", "as a token", "not ASCII"],
)
def test_any_other_key_is_challenged(
    post: Post, guarded_by_key: tuple[Any, Any], headers: list[tuple[str, str]]
) -> None:
    response = post(guarded_by_key, [(name, value.encode("latin-1")) for name, value in headers])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'ApiKey realm="service"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_valid_token_is_accepted(post: Post, guarded_by_token: tuple[Any, Any], scheme: str) -> None:
    assert post(guarded_by_token, [("Authorization", f"{scheme} {_token(sub='me')}")]).status_code == 201


@pytest.mark.parametrize(
    "token",
    [
        _token(exp=int(time.time()) - 1),
        _token(OTHER_SECRET),
        jwt.encode({"exp": int(time.time()) + 600}, None, algorithm="none"),
        _token(SECRET * 2, algorithm="HS512"),
        jwt.encode({"sub": "me"}, SECRET, algorithm="HS256"),
        _token(nbf=int(time.time()) + 86_400),
        _token()[:-4],
        "not.a.token",
    ],
    ids=["expired", "wrong secret", "alg none", "alg HS512", "no exp", "not yet valid", "cut", "garbage"],
)
def test_any_other_token_is_refused(post: Post, guarded_by_token: tuple[Any, Any], token: str) -> None:
    response = post(guarded_by_token, [("Authorization", f"Bearer {token}")])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="service", error="invalid_token"'


@pytest.mark.parametrize("headers", [[], [("Authorization", "Bearer")], [("Authorization", f"Basic {_token()}")]])
def test_a_request_without_a_token_is_challenged(
    post: Post, guarded_by_token: tuple[Any, Any], headers: list[tuple[str, str]]
) -> None:
    response = post(guarded_by_token, headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="service"'


def test_credentials_are_checked_before_the_body(post: Post, guarded_by_key: tuple[Any, Any]) -> None:
    assert post(guarded_by_key, [], body="x" * 2_000_000).status_code == 401
    assert post(guarded_by_key, [("X-API-Key", KEY)], body={"name": ""}).status_code == 422


def test_reads_need_no_credentials(guarded_by_key: tuple[Any, Any], guarded_by_token: tuple[Any, Any]) -> None:
    assert {service.get("/items/1").status_code for service in (*guarded_by_key, *guarded_by_token)} == {200}


def test_a_burst_comes_to_the_same_wherever_it_runs(
    both: tuple[Any, Any], guarded_by_key: tuple[Any, Any], guarded_by_token: tuple[Any, Any]
) -> None:
    services = (*both, *guarded_by_key, *guarded_by_token)
    assert len({service.get("/cpu?n=5000").content for service in services}) == 1
