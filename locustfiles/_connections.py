"""Closing what a user has open: a server would keep it, and count it, until its keep-alive ran out."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession


def close_connections(user: Any) -> None:
    """Close what belongs to this user alone."""
    client = getattr(user, "client", None)
    if isinstance(client, FastHttpSession) and getattr(user, "client_pool", None) is None:
        client.client.close()
    elif isinstance(client, HttpSession) and getattr(user, "pool_manager", None) is None:
        client.close()
