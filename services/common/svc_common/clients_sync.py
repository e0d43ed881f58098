"""Calling the upstream from a thread: a client per call, a shared httpx client, or a shared urllib3 pool.

No client retries, follows redirects or reads proxies from the environment: one call is one request.
The time-out holds for each step (getting a connection from the pool, connecting, waiting for data).
"""

from __future__ import annotations

from typing import Protocol, final

import httpx
import urllib3

from svc_common.deadline import DeadlineHTTPConnection, deadline_in
from svc_common.metrics import UpstreamMeter
from svc_common.outbound import IDLE_KEEPALIVE_S, quote_url
from svc_common.settings import Settings
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, UpstreamTimeout, classify, outcome

__all__ = ["MeteredUpstream", "SyncTransport", "open_upstream"]


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


def open_upstream(settings: Settings, meter: UpstreamMeter | None) -> MeteredUpstream:
    """The client of this process. Call it after the fork: connections must not be shared between processes."""
    return MeteredUpstream(_transport(settings), meter)


def _transport(settings: Settings) -> SyncTransport:
    url = quote_url(settings)
    limit, timeout_s = settings.client_max_connections, settings.client_timeout_s
    match settings.client:
        case "per_request":
            return _HttpxPerRequest(url, timeout_s)
        case "pooled":
            return _HttpxPooled(url, limit, timeout_s)
        case "pooled_urllib3":
            return _Urllib3Pooled(url, limit, timeout_s)
        case "pooled_aiohttp":
            raise ValueError("the sync stack has no aiohttp client; Settings refuses this")


def _httpx_get(client: httpx.Client, url: str) -> UpstreamAnswer:
    try:
        response = client.get(url)
    except httpx.TimeoutException:
        return UpstreamTimeout()
    except httpx.HTTPError as error:
        return UpstreamFailed(type(error).__name__)
    return classify(response.status_code, response.headers.get("retry-after"), response.content)


class _HttpxPerRequest:
    """What much published code does: a client, its pool and its TLS context for every call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout = httpx.Timeout(timeout_s)

    def get(self) -> UpstreamAnswer:
        with httpx.Client(timeout=self._timeout, trust_env=False) as client:
            return _httpx_get(client, self._url)

    def close(self) -> None:
        """Nothing is kept between calls."""


class _HttpxPooled:
    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        self._url = url
        limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=IDLE_KEEPALIVE_S)
        self._client = httpx.Client(limits=limits, timeout=httpx.Timeout(timeout_s), trust_env=False)

    def get(self) -> UpstreamAnswer:
        return _httpx_get(self._client, self._url)

    def close(self) -> None:
        self._client.close()


class _Urllib3Pooled:
    def __init__(self, url: str, limit: int, timeout_s: float) -> None:
        parsed = urllib3.util.parse_url(url)
        self._path = parsed.request_uri
        self._timeout_s = timeout_s
        self._pool = urllib3.connection_from_url(
            url, maxsize=limit, block=True, retries=False, timeout=urllib3.Timeout(total=timeout_s)
        )
        if self._pool.scheme == "http":
            self._pool.ConnectionCls = DeadlineHTTPConnection

    def get(self) -> UpstreamAnswer:
        try:
            with deadline_in(self._timeout_s):
                response = self._pool.urlopen(
                    "GET",
                    self._path,
                    retries=False,
                    redirect=False,
                    pool_timeout=self._timeout_s,  # type: ignore[arg-type]
                )
        except urllib3.exceptions.NewConnectionError as error:
            # It is a ConnectTimeoutError by inheritance only: the connection was refused.
            return UpstreamFailed(type(error).__name__)
        except (urllib3.exceptions.TimeoutError, urllib3.exceptions.EmptyPoolError):
            return UpstreamTimeout()
        except urllib3.exceptions.HTTPError as error:
            return UpstreamFailed(type(error).__name__)
        return classify(response.status, response.headers.get("Retry-After"), response.data)

    def close(self) -> None:
        self._pool.close()
