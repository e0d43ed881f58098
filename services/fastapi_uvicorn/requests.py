"""From Starlette's request to plain values, and from bytes and problems to responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from fastapi import Request, Response
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from fastapi_uvicorn.schemas import load
from svc_common import problem
from svc_common.auth import API_KEY_HEADER, Authenticator
from svc_common.json_body import decode, require_json
from svc_common.query import single_valued

__all__ = [
    "credentials_checked_by",
    "json_body_of",
    "json_response",
    "parameters_of",
    "problem_response",
    "translate",
]

Model = TypeVar("Model")

JSON = "application/json"


def json_response(body: bytes, status: int = 200) -> Response:
    """A response whose body is JSON already."""
    return Response(body, status_code=status, media_type=JSON)


def problem_response(error: problem.ProblemError) -> Response:
    """The response that a problem stands for."""
    found = error.problem
    return Response(found.body(), status_code=found.status, headers=dict(found.headers), media_type=JSON)


def translate(error: HTTPException, request: Request, routes: Iterable[BaseRoute]) -> problem.ProblemError:
    """Starlette's errors as the contract's. `Allow` names the methods of every route with this path."""
    if error.status_code == 404:
        return problem.not_found()
    if error.status_code == 405:
        same_path = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
        return problem.method_not_allowed({name for route in same_path for name in getattr(route, "methods", ())})
    return problem.internal()


def json_body_of(adapter: TypeAdapter[Model], max_body_bytes: int) -> Callable[[Request], Awaitable[Model]]:
    """A dependency: the request's body, read within the limit, decoded and validated."""

    async def json_body(request: Request) -> Model:
        require_json(request.headers.get("content-type"))
        return load(adapter, decode(await _read_body(request, max_body_bytes)))

    return json_body


def parameters_of(adapter: TypeAdapter[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency: the query string's parameters, validated."""

    async def parameters(request: Request) -> Model:
        return load(adapter, single_valued(request.query_params.multi_items()))

    return parameters


def credentials_checked_by(check: Authenticator) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets a request pass with valid credentials only."""

    async def credentials_checked(request: Request) -> None:
        check(_joined(request, API_KEY_HEADER), _joined(request, "Authorization"))

    return credentials_checked


def _joined(request: Request, name: str) -> str | None:
    """A header that was sent twice counts as its joined values, as in WSGI."""
    values = request.headers.getlist(name)
    return ",".join(values) if values else None


async def _read_body(request: Request, max_body_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_body_bytes:
        raise problem.body_too_large(max_body_bytes)
    chunks: list[bytes] = []
    received_bytes = 0
    try:
        async for chunk in request.stream():
            received_bytes += len(chunk)
            if received_bytes > max_body_bytes:
                raise problem.body_too_large(max_body_bytes)
            chunks.append(chunk)
    except ClientDisconnect:
        raise problem.body_broken() from None
    return b"".join(chunks)
