"""The httpx transports of the async stack: a client per call, and one client for the process."""

from __future__ import annotations

import asyncio

import httpx

from svc_common.httpx_answers import answered, failed, pool_limits
from svc_common.upstream_answer import UpstreamAnswer, UpstreamTimeout

__all__ = ["HttpxPerRequest", "HttpxPooled"]


async def _get(client: httpx.AsyncClient, url: str, timeout_s: float) -> UpstreamAnswer:
    """One call; httpx bounds each step of it, and the whole is bounded here."""
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.get(url)
    except TimeoutError:
        return UpstreamTimeout()
    except httpx.HTTPError as error:
        return failed(error)
    return answered(response)


class HttpxPerRequest:
    """What much published code does: a client, its pool and its TLS context for every call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def get(self) -> UpstreamAnswer:
        """Make the one request."""
        async with httpx.AsyncClient(timeout=httpx.Timeout(self._timeout_s), trust_env=False) as client:
            return await _get(client, self._url, self._timeout_s)

    async def close(self) -> None:
        """Nothing is kept between calls."""


class HttpxPooled:
    """One client for all calls, its connections kept."""

    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(limits=pool_limits(limit), timeout=httpx.Timeout(timeout_s), trust_env=False)

    async def get(self) -> UpstreamAnswer:
        """Make the one request."""
        return await _get(self._client, self._url, self._timeout_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
