"""Calling the upstream from the event loop: a client per call, a shared httpx client, or a shared aiohttp session.

No client retries, follows redirects or reads proxies from the environment: one call is one request.
Only the library of the chosen client is imported: another's memory would count against the stack.
"""

from __future__ import annotations

from typing import Protocol, final

from svc_common.metrics import UpstreamMeter
from svc_common.outbound import quote_url
from svc_common.settings import Settings
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, outcome

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
            from svc_common.httpx_async import HttpxPerRequest

            return HttpxPerRequest(url, timeout_s)
        case "pooled":
            from svc_common.httpx_async import HttpxPooled

            return HttpxPooled(url, limit, timeout_s)
        case "pooled_aiohttp":
            from svc_common.aiohttp_async import AiohttpPooled

            return AiohttpPooled(url, limit, timeout_s)
        case "pooled_urllib3":
            raise ValueError("the async stack has no urllib3 client; Settings refuses this")
