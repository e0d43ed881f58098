"""Run the upstream: `python -m upstream`, settings from `UPSTREAM_*`."""

from __future__ import annotations

import os
import signal
import sys

import uvicorn

from svc_common.collector import freeze_imports
from svc_common.environment import exit_on_settings_error
from svc_common.listening import check_address
from upstream.app import UpstreamApp
from upstream.settings import UpstreamSettings

# Longer than any client's pool keeps a connection, so that the upstream never closes one being reused.
KEEPALIVE_S = 600
BACKLOG = 4_096
GRACEFUL_TIMEOUT_S = 5


def main() -> None:
    """Serve until SIGTERM, then exit with code 0; a bad setting or a taken port exits with code 2."""
    with exit_on_settings_error():
        settings = UpstreamSettings.from_env(os.environ)
        check_address(settings.host, settings.port, prefix="UPSTREAM_")
    # uvicorn stops in order at SIGTERM and then raises the signal again, for the handler it found.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        UpstreamApp(settings, when_ready=freeze_imports),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_TIMEOUT_S,
    )


if __name__ == "__main__":
    main()
