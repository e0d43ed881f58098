"""What both stacks say alike of httpx: how many connections, what an answer is, what a failure is."""

from __future__ import annotations

import httpx

from svc_common.outbound import IDLE_KEEPALIVE_S
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, UpstreamTimeout, classify

__all__ = ["answered", "failed", "pool_limits"]


def pool_limits(limit: int) -> httpx.Limits:
    """So many connections, all of them kept."""
    return httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=IDLE_KEEPALIVE_S)


def answered(response: httpx.Response) -> UpstreamAnswer:
    """What the upstream answered."""
    return classify(response.status_code, response.headers.get("retry-after"), response.content)


def failed(error: httpx.HTTPError) -> UpstreamAnswer:
    """A call without an answer."""
    return UpstreamTimeout() if isinstance(error, httpx.TimeoutException) else UpstreamFailed(type(error).__name__)
