"""`python -m fastapi_uvicorn`: check the settings, then serve in this one process."""

from __future__ import annotations

import signal
import sys

from svc_common.environment import exit_on_settings_error
from svc_common.listening import check_port, dual_stack_sockets
from svc_common.open_files import raise_open_file_limit
from svc_common.settings import load_or_exit


def main() -> None:
    """Serve until told to stop. Exit codes: 0 stopped, 2 bad settings, 3 could not serve."""
    # uvicorn drains at a signal and then raises it again for the handler that was there before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    settings = load_or_exit("async")
    with exit_on_settings_error():
        check_port(settings)
    raise_open_file_limit()

    from fastapi_uvicorn.server import make_server
    from svc_common.logging_line import configure_logging
    from svc_common.metrics import ServiceMetrics
    from svc_common.metrics_server import process_registry, start_metrics_server

    configure_logging(settings.log_level)
    metrics = ServiceMetrics(stack="async") if settings.metrics else None
    server = make_server(settings, metrics)
    with exit_on_settings_error():
        start_metrics_server(settings, lambda: process_registry(settings, metrics), server.health)
    server.run(sockets=dual_stack_sockets(settings))


if __name__ == "__main__":
    main()
