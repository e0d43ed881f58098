"""The aiohttp transport of the async stack: one session for the process."""

from __future__ import annotations

import aiohttp

from svc_common.outbound import IDLE_KEEPALIVE_S
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, UpstreamTimeout, classify

__all__ = ["AiohttpPooled"]


class AiohttpPooled:
    """One session for all calls, closed connections not tried again."""

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
        """Make the one request."""
        try:
            async with self._session.get(self._url, allow_redirects=False) as response:
                body = await response.read()
        except TimeoutError:
            return UpstreamTimeout()
        except aiohttp.ClientError as error:
            return UpstreamFailed(type(error).__name__)
        return classify(response.status, response.headers.get("Retry-After"), body)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
