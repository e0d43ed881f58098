"""A stack holds in memory the HTTP library of the client that its settings choose, and no other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LIBRARIES = ("aiohttp", "httpx", "urllib3")

SYNC = """
import sys
from flask_gunicorn.app import create_from_environment
create_from_environment()
"""
ASYNC = """
import asyncio, os, sys
import fastapi_uvicorn.app
from svc_common.clients_async import open_async_upstream
from svc_common.settings import Settings
async def opened():
    await open_async_upstream(Settings.from_env(os.environ, stack="async"), None).close()
asyncio.run(opened())
"""


@pytest.mark.parametrize(
    ("script", "client", "library"),
    [
        (SYNC, "pooled_urllib3", "urllib3"),
        (SYNC, "pooled", "httpx"),
        (SYNC, "per_request", "httpx"),
        (ASYNC, "pooled_aiohttp", "aiohttp"),
        (ASYNC, "pooled", "httpx"),
        (ASYNC, "per_request", "httpx"),
    ],
)
def test_only_the_library_of_the_chosen_client_is_imported(script: str, client: str, library: str) -> None:
    """Of the sync stack already where the application is made: workers forked after preloading share it."""
    tell = f"print(*sorted(set(sys.modules) & set({LIBRARIES!r})))"
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SVC_CLIENT": client,
        "SVC_UPSTREAM_URL": "http://127.0.0.1:1",
    }
    told = subprocess.run(
        [sys.executable, "-c", script + tell], env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == [library]
