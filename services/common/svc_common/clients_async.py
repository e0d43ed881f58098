"""Calling the upstream from the event loop: a client per call, a shared httpx client, or a shared aiohttp session.

No client retries, follows redirects or reads proxies from the environment: one call is one request.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, final

import aiohttp
import httpx

from svc_common.metrics import UpstreamMeter
from svc_common.outbound import IDLE_KEEPALIVE_S, quote_url
from svc_common.settings import Settings
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, UpstreamTimeout, classify, outcome

__all__ = ["AsyncTransport", "MeteredAsyncUpstream", "open_async_upstream"]


class AsyncTransport(Protocol):
    """One way to make the call."""

    async def get(self) -> UpstreamAnswer:
        """Make the one request. A failed call is an answer too, never an exception of the HTTP library."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


@final
class MeteredAsyncUpstream:
    """A transport whose calls are counted. `meter` is None when the metrics are off."""

    def __init__(self, transport: AsyncTransport, meter: UpstreamMeter | None) -> None:
        self._transport = transport
        self._meter = meter

    async def quote(self) -> UpstreamAnswer:
        """Call the upstream once."""
        if self._meter is None:
            return await self._transport.get()
        self._meter.started()
        answer: UpstreamAnswer = UpstreamFailed("the call was broken off")
        try:
            answer = await self._transport.get()
        finally:
            self._meter.finished(outcome(answer))
        return answer

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


def open_async_upstream(settings: Settings, meter: UpstreamMeter | None) -> MeteredAsyncUpstream:
    """The client of this process. Call it inside the running event loop."""
    return MeteredAsyncUpstream(_transport(settings), meter)


def _transport(settings: Settings) -> AsyncTransport:
    url = quote_url(settings)
    limit, timeout_s = settings.client_max_connections, settings.client_timeout_s
    match settings.client:
        case "per_request":
            return _HttpxPerRequest(url, timeout_s)
        case "pooled":
            return _HttpxPooled(url, limit, timeout_s)
        case "pooled_aiohttp":
            return _AiohttpPooled(url, limit, timeout_s)
        case "pooled_urllib3":
            raise ValueError("the async stack has no urllib3 client; Settings refuses this")


async def _httpx_get(client: httpx.AsyncClient, url: str, timeout_s: float) -> UpstreamAnswer:
    """One call; httpx bounds each step of it, and the whole is bounded here."""
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.get(url)
    except (TimeoutError, httpx.TimeoutException):
        return UpstreamTimeout()
    except httpx.HTTPError as error:
        return UpstreamFailed(type(error).__name__)
    return classify(response.status_code, response.headers.get("retry-after"), response.content)


class _HttpxPerRequest:
    """What much published code does: a client, its pool and its TLS context for every call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def get(self) -> UpstreamAnswer:
        async with httpx.AsyncClient(timeout=httpx.Timeout(self._timeout_s), trust_env=False) as client:
            return await _httpx_get(client, self._url, self._timeout_s)

    async def close(self) -> None:
        """Nothing is kept between calls."""


class _HttpxPooled:
    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=IDLE_KEEPALIVE_S)
        self._client = httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(timeout_s), trust_env=False)

    async def get(self) -> UpstreamAnswer:
        return await _httpx_get(self._client, self._url, self._timeout_s)

    async def close(self) -> None:
        await self._client.aclose()


class _AiohttpPooled:
    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, limit_per_host=0, keepalive_timeout=IDLE_KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        # aiohttp repeats a GET whose kept connection was just closed and has no public switch for it.
        # The twin of the sync stack does not repeat, and arrivals must equal calls.
        self._session._retry_connection = False

    async def get(self) -> UpstreamAnswer:
        try:
            async with self._session.get(self._url, allow_redirects=False) as response:
                body = await response.read()
        except TimeoutError:
            return UpstreamTimeout()
        except aiohttp.ClientError as error:
            return UpstreamFailed(type(error).__name__)
        return classify(response.status, response.headers.get("Retry-After"), body)

    async def close(self) -> None:
        await self._session.close()
