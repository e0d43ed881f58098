"""How many series a service exposes when everything that it can count has been counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

MOST_PER_POD = 2000
WORKERS = 4
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/data", {}),
    ("POST", "/data", {}),
    ("POST", "/data", {"content": b"{"}),
    ("PUT", "/data", {}),
    ("GET", "/items/7", {}),
    ("GET", "/items/none", {}),
    ("GET", "/items", {}),
    ("POST", "/payload", {}),
    ("GET", "/cpu", {}),
    ("GET", "/hold?seconds=0", {}),
    ("GET", "/livez", {}),
    ("GET", "/docs", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/no/such/place", {}),
)


@pytest.fixture(scope="module", params=["flask_gunicorn", "fastapi_uvicorn"])
def four_workers(request: pytest.FixtureRequest, launch_for_session: Callable[..., Any]) -> Any:
    """Either stack, with four worker processes where it has any; series only join, in whichever order it is asked."""
    name = str(request.param)
    return launch_for_session(name, **({"SVC_WORKERS": WORKERS} if name == "flask_gunicorn" else {}))


def _series(service: Any) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    url = f"http://127.0.0.1:{service.metrics_port}/metrics"
    text = httpx.get(url, trust_env=False, verify=False, timeout=10).text
    families = text_string_to_metric_families(text)
    return {(sample.name, tuple(sorted(sample.labels.items()))) for family in families for sample in family.samples}


def test_a_pod_has_at_most_two_thousand_series_after_every_route_was_asked(four_workers: Any) -> None:
    for method, path, content in REQUESTS:
        four_workers.request(method, path, **content)
    asked = _series(four_workers)
    assert len(asked) <= MOST_PER_POD
    routes = {dict(labels)["route"] for name, labels in asked if name == "http_requests_total"}
    assert len(routes) >= 8, "the count stands for all routes"


def test_more_load_on_known_routes_makes_no_more_series(four_workers: Any) -> None:
    for number in range(5):
        four_workers.get(f"/items/{number}")
        four_workers.get(f"/nowhere/{number}")
    before = {name for name, _ in _series(four_workers)}
    once = len(_series(four_workers))
    for number in range(5, 40):
        four_workers.get(f"/items/{number}")
        four_workers.get(f"/nowhere/{number}")
    assert {name for name, _ in _series(four_workers)} == before
    assert len(_series(four_workers)) <= once + 2 * WORKERS, "a path makes no series, a process that joins makes few"
