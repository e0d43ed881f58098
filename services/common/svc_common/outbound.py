"""What all clients of the upstream have in common: the address, the limits, and how they are announced."""

from __future__ import annotations

from typing import Final

from svc_common.settings import Settings

__all__ = ["IDLE_KEEPALIVE_S", "describe", "quote_url"]

IDLE_KEEPALIVE_S: Final = 60.0
"""An idle connection is dropped after this. Keep it below the upstream's own, or a call meets a closed one."""


_IDLE_KEEPALIVE = {"per_request": "0", "pooled_urllib3": "unlimited"}


def quote_url(settings: Settings) -> str:
    """The address that `GET /data` calls."""
    return settings.upstream_url + "/quote"


def describe(settings: Settings) -> str:
    """The line that a process logs when its client is made."""
    limit = "1 (per call)" if settings.client == "per_request" else str(settings.client_max_connections)
    idle = _IDLE_KEEPALIVE.get(settings.client, f"{IDLE_KEEPALIVE_S:g}")
    return (
        f"upstream client: strategy={settings.client} url={quote_url(settings)} max_connections={limit}"
        f" timeout_s={settings.client_timeout_s:g} idle_keepalive_s={idle} retries=0"
    )
