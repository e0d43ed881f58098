"""The one error body of the contract, and every error that a request can end with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "MAX_DETAILS",
    "Detail",
    "Problem",
    "ProblemError",
    "body_broken",
    "body_too_large",
    "internal",
    "invalid",
    "malformed_json",
    "method_not_allowed",
    "not_found",
    "not_json",
    "stopping",
    "unauthorized",
    "upstream_failed",
    "upstream_quota",
    "upstream_timeout",
]

MAX_DETAILS = 16


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Detail:
    """One fault of a request. `field` is a dotted path into it (`""` is the whole), as in `tags.0`.

    `problem` is the wording of the validating library and may differ between the stacks.
    """

    field: str
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An answer that is not a success: status, machine-readable code, a sentence, details and headers."""

    status: int
    code: str
    message: str
    details: tuple[Detail, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The JSON body that every error of the contract has."""
        details = [{"field": item.field, "problem": item.problem} for item in self.details]
        error = {"code": self.code, "message": self.message, "details": details}
        return json.dumps({"error": error}, separators=(",", ":")).encode()


class ProblemError(Exception):
    """Ends a request with `problem`; each stack turns it into a response in one error handler."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}")
        self.problem = problem


def invalid(details: Iterable[Detail]) -> ProblemError:
    """422: well-formed but against the schema. Fields are sorted, the first `MAX_DETAILS` are kept."""
    kept = tuple(sorted(details)[:MAX_DETAILS])
    message = "The request does not fit the contract."
    return ProblemError(Problem(status=422, code="invalid", message=message, details=kept))


def malformed_json(reason: str) -> ProblemError:
    """422: the body is not one JSON document in UTF-8."""
    detail = Detail(field="", problem=reason)
    message = "The body is not valid JSON."
    return ProblemError(Problem(status=422, code="malformed_json", message=message, details=(detail,)))


def not_json() -> ProblemError:
    """415: the body is not declared as JSON."""
    message = "The Content-Type must be application/json."
    return ProblemError(Problem(status=415, code="unsupported_media_type", message=message))


def body_too_large(limit_bytes: int) -> ProblemError:
    """413: the body is longer than the service takes."""
    message = f"The body is longer than {limit_bytes} bytes."
    return ProblemError(Problem(status=413, code="too_large", message=message))


def body_broken() -> ProblemError:
    """400: the body ended early or its framing was wrong, so that nobody can be sure what was meant."""
    return ProblemError(Problem(status=400, code="broken_body", message="The body could not be read."))


def unauthorized(challenge: str) -> ProblemError:
    """401 with the `WWW-Authenticate` challenge; it never says which part of a credential was wrong."""
    headers = {"WWW-Authenticate": challenge}
    message = "Valid credentials are needed."
    return ProblemError(Problem(status=401, code="unauthorized", message=message, headers=headers))


def not_found(what: str = "resource") -> ProblemError:
    """404: there is no such route or item."""
    return ProblemError(Problem(status=404, code="not_found", message=f"There is no such {what}."))


def method_not_allowed(methods: Iterable[str]) -> ProblemError:
    """405 with the `Allow` header, sorted."""
    allow = ", ".join(sorted(methods))
    message = f"This path answers {allow}."
    return ProblemError(Problem(status=405, code="method_not_allowed", message=message, headers={"Allow": allow}))


def internal() -> ProblemError:
    """500: a fault of this service. The cause goes to its log, never to the client."""
    return ProblemError(Problem(status=500, code="internal", message="The service failed."))


def upstream_failed() -> ProblemError:
    """502: the upstream could not be reached, answered an error or something that is not JSON."""
    return ProblemError(Problem(status=502, code="upstream_failed", message="The upstream failed."))


def upstream_timeout() -> ProblemError:
    """504: the upstream did not answer in time."""
    message = "The upstream did not answer in time."
    return ProblemError(Problem(status=504, code="upstream_timeout", message=message))


def upstream_quota(retry_after_s: int) -> ProblemError:
    """429: the upstream's quota is used up; its `Retry-After` is passed on."""
    headers = {"Retry-After": str(retry_after_s)}
    message = "The upstream's quota is used up."
    return ProblemError(Problem(status=429, code="upstream_quota", message=message, headers=headers))


def stopping() -> ProblemError:
    """503: the process has been told to stop and takes no new work."""
    return ProblemError(Problem(status=503, code="stopping", message="The service is stopping."))
