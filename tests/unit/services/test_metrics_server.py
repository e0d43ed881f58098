"""The metrics port, the loop's lag, the outbound meter and the log line."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
import urllib.error
from collections.abc import Callable, Iterator

import pytest

from svc_common.logging_line import OneLineFormatter
from svc_common.loop_lag import watch_loop
from svc_common.metrics import ServiceMetrics
from svc_common.metrics_server import Health, process_registry, start_metrics_server
from svc_common.settings import Settings, SettingsError

Fetch = Callable[[str], str]


def settings_for(port: int) -> Settings:
    return Settings.from_env({"SVC_METRICS_PORT": str(port)}, stack="async")


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics(stack="async")


class Told:
    """What the service says of itself, as a test wants it."""

    def __init__(self) -> None:
        self.is_alive = self.is_ready = True

    @property
    def health(self) -> Health:
        return Health(is_alive=lambda: self.is_alive, is_ready=lambda: self.is_ready)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def metrics_port(free_port: int, metrics: ServiceMetrics, told: Told) -> Iterator[int]:
    settings = settings_for(free_port)
    server = start_metrics_server(settings, lambda: process_registry(settings, metrics), told.health)
    yield free_port
    server.shutdown()
    server.server_close()


def test_a_scrape_has_the_requests_the_tree_and_no_creation_times(
    metrics_port: int, metrics: ServiceMetrics, fetch: Fetch
) -> None:
    metrics.request_started()
    metrics.request_finished("GET", "/items/{id}", 200, 0.003)
    text = fetch(f"http://127.0.0.1:{metrics_port}/metrics")
    assert 'http_requests_total{method="GET",route="/items/{id}",status="200"} 1.0' in text
    assert "\nprocess_tree_cpu_seconds_total " in text
    assert "\nprocess_tree_pss_bytes " in text
    assert "worker_slots" not in text
    assert "_created" not in text


def test_other_paths_are_not_found(metrics_port: int, fetch: Fetch) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(f"http://127.0.0.1:{metrics_port}/")
    caught.value.close()


@pytest.mark.parametrize(
    ("path", "said", "broken", "then"),
    [("/livez", "alive", "is_alive", "stuck"), ("/readyz?from=kubelet", "ready", "is_ready", "not ready")],
)
def test_probes_say_what_the_service_knows_of_itself(
    metrics_port: int, told: Told, fetch: Fetch, path: str, said: str, broken: str, then: str
) -> None:
    url = f"http://127.0.0.1:{metrics_port}{path}"
    assert json.loads(fetch(url)) == {"status": said}
    setattr(told, broken, False)
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        fetch(url)
    assert json.loads(caught.value.read()) == {"status": then}
    caught.value.close()


def test_without_metrics_the_tree_remains(free_port: int) -> None:
    registry = process_registry(settings_for(free_port), None)
    names = {family.name for family in registry.collect()}
    assert "process_tree_cpu_seconds" in names
    assert "http_requests" not in names


def test_a_taken_port_is_one_line(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        settings = settings_for(free_port)
        with pytest.raises(SettingsError, match=rf"SVC_METRICS_PORT={free_port}: cannot listen .*in use"):
            start_metrics_server(settings, lambda: process_registry(settings, None), Told().health)


def test_unknown_methods_do_not_grow_the_cache(metrics: ServiceMetrics) -> None:
    for number in range(50):
        metrics.request_finished(f"M{number}", "", 404, 0.001)
    labels = {"method": "OTHER", "route": "(unmatched)", "status": "404"}
    assert metrics.registry.get_sample_value("http_requests_total", labels) == 50
    assert len(metrics._rows) == 0


def test_outbound_calls_are_in_flight_until_they_end(metrics: ServiceMetrics) -> None:
    value = metrics.registry.get_sample_value
    metrics.upstream.started()
    metrics.upstream.started()
    metrics.upstream.finished("timeout")
    assert value("upstream_requests_in_flight") == 1
    assert value("upstream_requests_total", {"outcome": "timeout"}) == 1
    assert value("upstream_requests_total", {"outcome": "ok"}) == 0


def test_a_blocked_loop_shows_as_lag(metrics: ServiceMetrics) -> None:
    lag = metrics.loop_lag
    assert lag is not None

    async def block() -> None:
        watcher = asyncio.create_task(watch_loop(lag, interval_s=0.01))
        await asyncio.sleep(0.005)
        time.sleep(0.15)
        await asyncio.sleep(0.03)
        watcher.cancel()

    asyncio.run(block())
    value = metrics.registry.get_sample_value
    count = value("event_loop_lag_seconds_count")
    below = value("event_loop_lag_seconds_bucket", {"le": "0.1"})
    assert count is not None
    assert below is not None
    assert count - below >= 1


def test_a_traceback_is_one_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("svc", logging.ERROR, __file__, 1, "it %s", ("broke",), info)
    line = OneLineFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith("ERROR it broke | Traceback")
    assert line.endswith("ValueError: first | second")
    assert "\n" not in line
