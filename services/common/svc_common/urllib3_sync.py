"""The urllib3 transport of the sync stack: one pool for the process."""

from __future__ import annotations

import urllib3

from svc_common.deadline import DeadlineHTTPConnection, deadline_in
from svc_common.upstream_answer import UpstreamAnswer, UpstreamFailed, UpstreamTimeout, classify

__all__ = ["Urllib3Pooled"]


class Urllib3Pooled:
    """One pool for all threads, which wait for a connection when it is empty."""

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
        """Make the one request."""
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
        """Close every connection."""
        self._pool.close()
