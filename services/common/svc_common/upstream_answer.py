"""What a call of the upstream can come to, whichever HTTP client made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from svc_common import problem
from svc_common.json_body import decode, encode
from svc_common.metrics import UpstreamOutcome

__all__ = ["Ok", "UpstreamAnswer", "UpstreamFailed", "UpstreamQuota", "UpstreamTimeout", "classify", "outcome", "reply"]

RETRY_AFTER_DEFAULT_S = 1


@dataclass(frozen=True, slots=True)
class Ok:
    """A 200 and its body."""

    body: bytes


@dataclass(frozen=True, slots=True)
class UpstreamFailed:
    """No connection, a broken one, or a status that is neither 200 nor 429. `reason` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class UpstreamTimeout:
    """No connection, no free connection of the pool or no answer within the time-out."""


@dataclass(frozen=True, slots=True)
class UpstreamQuota:
    """A 429. `retry_after_s` is the upstream's, or 1 when it gave none in seconds."""

    retry_after_s: int


UpstreamAnswer = Ok | UpstreamFailed | UpstreamTimeout | UpstreamQuota


def classify(status: int, retry_after: str | None, body: bytes) -> UpstreamAnswer:
    """The answer that an HTTP response stands for."""
    if status == 200:
        return Ok(body)
    if status == 429:
        return UpstreamQuota(_retry_after_s(retry_after or ""))
    return UpstreamFailed(f"status {status}")


def _retry_after_s(header: str) -> int:
    in_seconds = header.isascii() and header.isdigit() and len(header) < 10
    return int(header) if in_seconds else RETRY_AFTER_DEFAULT_S


def outcome(answer: UpstreamAnswer) -> UpstreamOutcome:
    """The label under which the answer is counted."""
    match answer:
        case Ok():
            return "ok"
        case UpstreamFailed():
            return "failed"
        case UpstreamTimeout():
            return "timeout"
        case UpstreamQuota():
            return "quota"
        case _:
            assert_never(answer)


def reply(answer: UpstreamAnswer) -> bytes:
    """The body of `GET /data`: what the upstream said, under `upstream`.

    Raises:
        ProblemError: 502, 504 or 429 when there is nothing to pass on.
    """
    match answer:
        case Ok(body):
            return encode({"upstream": _parse(body)})
        case UpstreamFailed():
            raise problem.upstream_failed()
        case UpstreamTimeout():
            raise problem.upstream_timeout()
        case UpstreamQuota(retry_after_s):
            raise problem.upstream_quota(retry_after_s)
        case _:
            assert_never(answer)


def _parse(body: bytes) -> object:
    try:
        return decode(body)
    except problem.ProblemError:
        raise problem.upstream_failed() from None
