"""From Flask's request to plain values, and from bytes and problems to Flask's responses."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from svc_common import problem
from svc_common.auth import API_KEY_HEADER, Authenticator
from svc_common.json_body import decode, require_json
from svc_common.query import single_valued

__all__ = ["authenticated", "json_response", "parameters", "problem_response", "read_json", "translate"]

Parameters = ParamSpec("Parameters")

JSON = "application/json"


def json_response(body: bytes, status: int = 200) -> Response:
    """A response whose body is JSON already."""
    return Response(body, status=status, content_type=JSON)


def problem_response(error: problem.ProblemError) -> Response:
    """The response that a problem stands for."""
    found = error.problem
    return Response(found.body(), status=found.status, headers=dict(found.headers), content_type=JSON)


def translate(error: HTTPException) -> problem.ProblemError:
    """werkzeug's errors as the contract's."""
    match error:
        case NotFound():
            return problem.not_found()
        case MethodNotAllowed(valid_methods=methods):
            return problem.method_not_allowed(methods or ())
        case _:
            return problem.internal()


def read_json(max_body_bytes: int) -> object:
    """The request's body as one JSON document.

    Raises:
        ProblemError: 415, 413, 400 or 422.
    """
    require_json(request.content_type)
    return decode(_read_body(max_body_bytes))


def _read_body(max_body_bytes: int) -> bytes:
    """The body from the server's own stream, which ends where the body ends, chunked or not.

    werkzeug's limited stream would do, but it answers a chunked body beyond the limit with its first part.
    """
    declared_bytes = request.content_length
    if declared_bytes is not None and declared_bytes > max_body_bytes:
        raise problem.body_too_large(max_body_bytes)
    try:
        body: bytes = request.environ["wsgi.input"].read(max_body_bytes + 1)
    except (OSError, ParseException):  # gunicorn parses chunks as they are read
        raise problem.body_broken() from None
    if len(body) > max_body_bytes:
        raise problem.body_too_large(max_body_bytes)
    if declared_bytes is not None and len(body) < declared_bytes:
        raise problem.body_broken()
    return body


def parameters() -> dict[str, str]:
    """The query string's parameters; a repeated one raises `ProblemError` 422."""
    return single_valued(request.args.items(multi=True))


def authenticated(
    check: Authenticator | None,
) -> Callable[[Callable[Parameters, Response]], Callable[Parameters, Response]]:
    """Decorate a view so that it is reached with valid credentials only; None leaves it as it is."""

    def decorate(view: Callable[Parameters, Response]) -> Callable[Parameters, Response]:
        if check is None:
            return view

        @wraps(view)
        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
            check(request.headers.get(API_KEY_HEADER), request.headers.get("Authorization"))
            return view(*args, **kwargs)

        return guarded

    return decorate
