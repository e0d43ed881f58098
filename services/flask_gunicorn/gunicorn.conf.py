"""gunicorn's settings, all from the service's own, and its hooks. Read by gunicorn, not imported.

Only a few things are fixed here: the worker class, and room for kept-alive connections beyond the threads,
so that the figure for held connections is the server's and not that of a small default.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from svc_common.environment import exit_on_settings_error
from svc_common.metrics_server import Health, arbiter_registry, start_metrics_server
from svc_common.multiprocess_dir import SHARED_MEMORY
from svc_common.settings import load_or_exit

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

KEPT_ALIVE_CONNECTIONS = 20_000

logger = logging.getLogger("gunicorn.error")

_settings = load_or_exit("sync")
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = [f"{_host}:{_settings.port}"]
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
worker_connections = _settings.threads + KEPT_ALIVE_CONNECTIONS
keepalive = _settings.keepalive_s
graceful_timeout = _settings.graceful_timeout_s
backlog = _settings.backlog
reuse_port = _settings.reuse_port
preload_app = _settings.preload
loglevel = _settings.log_level
proc_name = "flask_gunicorn"
control_socket_disable = True
# The workers' heartbeat file must not wait for a disk; where shared memory is read-only, TMPDIR or /tmp has to do.
worker_tmp_dir = str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None


def _health(server: Arbiter) -> Health:
    """The arbiter ends workers that hang and starts others, so that it is alive while it answers at all."""
    return Health(is_alive=lambda: True, is_ready=lambda: bool(server.LISTENERS and server.WORKERS))


def when_ready(server: Arbiter) -> None:
    """The arbiter serves the metrics of all workers from a thread of its own."""
    with exit_on_settings_error():
        start_metrics_server(_settings, lambda: arbiter_registry(_settings), _health(server))
    logger.info("metrics: http://%s:%d/metrics", _host, _settings.metrics_port)


def post_worker_init(worker: Worker) -> None:
    """Open the worker's client and pool after the fork."""
    from flask_gunicorn.app import start_worker  # not in the arbiter, see server.py

    start_worker(worker.wsgi, lambda: not worker.alive)


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    """Close them again."""
    if hasattr(worker, "wsgi"):
        from flask_gunicorn.app import close_worker

        close_worker(worker.wsgi)
