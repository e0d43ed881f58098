"""The httpx transports of the sync stack: a client per call, and one client for the process."""

from __future__ import annotations

import httpx

from svc_common.httpx_answers import answered, failed, pool_limits
from svc_common.upstream_answer import UpstreamAnswer

__all__ = ["HttpxPerRequest", "HttpxPooled"]


def _get(client: httpx.Client, url: str) -> UpstreamAnswer:
    try:
        response = client.get(url)
    except httpx.HTTPError as error:
        return failed(error)
    return answered(response)


class HttpxPerRequest:
    """What much published code does: a client, its pool and its TLS context for every call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout = httpx.Timeout(timeout_s)

    def get(self) -> UpstreamAnswer:
        """Make the one request."""
        with httpx.Client(timeout=self._timeout, trust_env=False) as client:
            return _get(client, self._url)

    def close(self) -> None:
        """Nothing is kept between calls."""


class HttpxPooled:
    """One client for all calls, its connections kept."""

    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        self._url = url
        self._client = httpx.Client(limits=pool_limits(limit), timeout=httpx.Timeout(timeout_s), trust_env=False)

    def get(self) -> UpstreamAnswer:
        """Make the one request."""
        return _get(self._client, self._url)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
