"""/metrics of a real Locust master with two workers: its counters are the books, stack by stack."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from locust_rig import LOCUSTFILES, Cluster, Stub

STACKS = ("flask-sync", "fastapi-async")
USERS = 4


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture(scope="module")
def locust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(str(LOCUSTFILES / "io_bound.py"), tmp_path_factory.mktemp("metrics"), workers=2)
    yield cluster
    cluster.close()


def scrape(locust: Cluster, query: str = "") -> list[Sample]:
    with urllib.request.urlopen(f"{locust.web}/metrics{query}", timeout=10) as answer:
        return [s for family in text_string_to_metric_families(answer.read().decode()) for s in family.samples]


def by_label(samples: list[Sample], name: str, label: str, **where: str) -> dict[str, float]:
    return {s.labels[label]: s.value for s in samples if s.name == name and where.items() <= s.labels.items()}


def test_counters_are_the_books_by_stack_and_a_window_says_when_it_opened(stub: Stub, locust: Cluster) -> None:
    books, windows = {}, {}
    locust.post("phase", {"stacks": list(STACKS)})
    assert by_label(scrape(locust), "locust_requests_failed_total", "stack") == dict.fromkeys(STACKS, 0.0)
    for stack in STACKS:
        locust.post("phase", {"stack": stack, "users": USERS, "trial": stack})
        locust.post("trials", {"id": stack})
        locust.swarm(stub.url, "IoBoundUser", USERS, think_s=0.01)
        locust.post("windows", {"id": stack, "opens_in_s": 0.2, "measure_s": 0.5})
        windows[stack] = locust.window(stack)
        books[stack] = locust.drained(stack)
    samples = scrape(locust)
    sent = {stack: books[stack]["sent"] for stack in STACKS}
    assert by_label(samples, "locust_requests_sent_total", "stack") == sent
    for stack in STACKS:
        assert books[stack]["sent"] > 0
        outcomes = by_label(samples, "locust_requests_ended_total", "outcome", stack=stack)
        assert outcomes == books[stack]["outcomes"]
    answered = {stack: books[stack]["answered"] for stack in STACKS}
    assert by_label(samples, "locust_response_seconds_count", "stack") == answered
    opened = by_label(samples, "loadlab_window_opened_seconds", "window", users=str(USERS))
    assert opened == {stack: windows[stack]["opened_unix_s"] for stack in STACKS}, "though both are over"


def test_a_level_is_what_the_engine_says_of_it(locust: Cluster) -> None:
    assert by_label(scrape(locust), "loadlab_level_ok_requests", "stack") == {}
    level = {"stack": STACKS[0], "users": USERS, "windows": 1, "left_out": 0, "ok": 7, "billed": []}
    locust.post("phase", {"levels": [level]})
    assert by_label(scrape(locust), "loadlab_level_ok_requests", "stack", users=str(USERS)) == {STACKS[0]: 7}
    left_out = {s.name for s in scrape(locust)} - {s.name for s in scrape(locust, "?levels=0")}
    assert {"loadlab_level_ok_requests"} <= left_out
    assert all(name.startswith("loadlab_level_") for name in left_out)
