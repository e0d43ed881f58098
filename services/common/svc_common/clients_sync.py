"""Calling the upstream from a thread: a client per call, a shared httpx client, or a shared urllib3 pool.

No client retries, follows redirects or reads proxies from the environment: one call is one request.
The time-out holds for each step (getting a connection from the pool, connecting, waiting for data).
Only the library of the chosen client is imported: another's memory would count against the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, final

from svc_common.metrics import UpstreamMeter
from svc_common.outbound import quote_url
from svc_common.settings import Settings
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, outcome

__all__ = ["MeteredUpstream", "SyncTransport", "upstream_opener"]


class SyncTransport(Protocol):
    """One way to make the call. Safe to use from several threads."""

    def get(self) -> UpstreamAnswer:
        """Make the one request. A failed call is an answer too, never an exception of the HTTP library."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@final
class MeteredUpstream:
    """A transport whose calls are counted. `meter` is None when the metrics are off."""

    def __init__(self, transport: SyncTransport, meter: UpstreamMeter | None) -> None:
        self._transport = transport
        self._meter = meter

    def quote(self) -> UpstreamAnswer:
        """Call the upstream once."""
        if self._meter is None:
            return self._transport.get()
        self._meter.started()
        answer: UpstreamAnswer = UpstreamFailed("the call was broken off")
        try:
            answer = self._transport.get()
        finally:
            self._meter.finished(outcome(answer))
        return answer

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


def upstream_opener(settings: Settings) -> Callable[[UpstreamMeter | None], MeteredUpstream]:
    """What opens the client of a process: it holds no connection yet, for those must not be shared between processes.

    Call this where the application is made and the result after the fork: the client's library is imported here, so
    that preloaded workers share its memory.
    """
    transport = _transport_of(settings)

    def open_upstream(meter: UpstreamMeter | None) -> MeteredUpstream:
        return MeteredUpstream(transport(), meter)

    return open_upstream


def _transport_of(settings: Settings) -> Callable[[], SyncTransport]:
    url = quote_url(settings)
    limit, timeout_s = settings.client_max_connections, settings.client_timeout_s
    match settings.client:
        case "per_request":
            from svc_common.httpx_sync import HttpxPerRequest

            return lambda: HttpxPerRequest(url, timeout_s)
        case "pooled":
            from svc_common.httpx_sync import HttpxPooled

            return lambda: HttpxPooled(url, limit, timeout_s)
        case "pooled_urllib3":
            from svc_common.urllib3_sync import Urllib3Pooled

            return lambda: Urllib3Pooled(url, limit, timeout_s)
        case "pooled_aiohttp":
            raise ValueError("the sync stack has no aiohttp client; Settings refuses this")
