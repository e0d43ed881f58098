"""Serves `/metrics`, `/livez` and `/readyz` on a port of their own, from a thread: nobody queues behind the load there.

The probes are for who must not take a saturated service for a broken one, such as Kubernetes. Those of the
same names on the service's own port wait their turn, or are refused, like any request.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from svc_common.cgroup import CgroupCollector
from svc_common.metrics import ServiceMetrics
from svc_common.multiprocess_dir import VARIABLE as MULTIPROCESS_VARIABLE
from svc_common.process_tree import ProcessTree, ProcessTreeCollector
from svc_common.settings import Settings, SettingsError
from svc_common.worker_metrics import WorkerMetricsCollector

SCRAPE_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What a service knows of itself, asked from the thread of the metrics.

    is_alive: it gets on, however much there is to do. is_ready: it listens and is not stopping.
    """

    is_alive: Callable[[], bool]
    is_ready: Callable[[], bool]


def arbiter_registry(settings: Settings) -> CollectorRegistry:
    """What gunicorn's arbiter serves: its workers' counts, its process tree and its control group.

    Call it in the arbiter. With SVC_METRICS=off the counts are left out and the rest remains.
    """
    tree = ProcessTree(os.getpid(), root_role="master")
    tree_collector = ProcessTreeCollector(tree, port=settings.port, slots_per_worker=settings.threads)
    registry = _registry(tree_collector, CgroupCollector())
    if settings.metrics:
        folder = Path(os.environ[MULTIPROCESS_VARIABLE])
        registry.register(WorkerMetricsCollector(folder, tree.worker_pids))
    return registry


def process_registry(settings: Settings, metrics: ServiceMetrics | None) -> CollectorRegistry:
    """What a service of one process serves; `metrics` None (SVC_METRICS=off) leaves out its counts."""
    tree = ProcessTree(os.getpid(), root_role="worker")
    tree_collector = ProcessTreeCollector(tree, port=settings.port, slots_per_worker=None)
    registry = _registry(tree_collector, CgroupCollector())
    if metrics is not None:
        registry.register(metrics.registry)
    return registry


def start_metrics_server(
    settings: Settings, registry_factory: Callable[[], CollectorRegistry], health: Health
) -> ThreadingHTTPServer:
    """Listen on `settings.host:metrics_port` and answer from daemon threads. Ends with `shutdown()`.

    Raises:
        SettingsError: the port cannot be listened on.
    """
    try:
        server = _Server((settings.host, settings.metrics_port), _handler(registry_factory(), health))
    except OSError as error:
        raise SettingsError(
            f"SVC_METRICS_PORT={settings.metrics_port}: cannot listen on {settings.host} "
            f"({error.strerror}): expected a free port"
        ) from error
    # A forked worker must not keep the port open after the arbiter is gone.
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that hangs up is no error of ours."""


Page = tuple[int, str, bytes]
"""Status, media type and body."""


def _pages(registry: CollectorRegistry, health: Health) -> Mapping[str, Callable[[], Page]]:
    return {
        "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
        "/livez": lambda: _probe(health.is_alive(), "alive", otherwise="stuck"),
        "/readyz": lambda: _probe(health.is_ready(), "ready", otherwise="not ready"),
    }


def _probe(is_so: bool, status: str, *, otherwise: str) -> Page:
    return 200 if is_so else 503, "application/json", b'{"status":"%s"}' % (status if is_so else otherwise).encode()


def _handler(registry: CollectorRegistry, health: Health) -> type[BaseHTTPRequestHandler]:
    pages = _pages(registry, health)

    class Handler(BaseHTTPRequestHandler):
        timeout = SCRAPE_TIMEOUT_S

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self.send_error(404, f"only {', '.join(pages)} are here")
                return
            status, media_type, body = page()
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are not worth a line each."""

    return Handler
