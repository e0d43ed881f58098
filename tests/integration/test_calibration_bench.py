"""The real Locust against the real golden server: every request is in both logs, with the same story."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadlab.model.calibration import Order, Step
from loadlab.pipeline.calibrate import Bench, open_bench
from loadlab.pipeline.layout import Layout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(Layout(root=ROOT, runs=tmp_path_factory.mktemp("runs"))) as opened:
        yield opened


def order(name: str, *, generators: int = 1, delay_s: float = 0.05, users: int = 6) -> Order:
    return Order(
        id=name, purpose="latency", delay_s=delay_s, users=users, measure_s=1.0, settle_s=0.3, generators=generators
    )


def _agrees(step: Step) -> None:
    assert (step.unmatched, step.failed) == (0, 0)
    assert step.requests > 0
    assert step.truth.p50_s is not None
    assert step.truth.p50_s >= step.order.delay_s
    assert step.errors.p50_s is not None
    assert step.errors.p50_s > 0.0, "a request cannot take less for the client than for the server"


def test_every_request_is_in_both_logs(bench: Bench) -> None:
    _agrees(bench.measure(order("one")))


def test_two_generators_share_the_users_and_their_requests_are_told_apart(bench: Bench) -> None:
    _agrees(bench.measure(order("two", generators=2)))


def test_a_frozen_server_is_seen_as_it_was(bench: Bench) -> None:
    step = bench.measure(order("frozen", delay_s=0.02), {"delay": "constant(20ms)", "freeze": "300ms/600ms"})
    assert (step.unmatched, step.failed) == (0, 0)


def test_programmed_errors_are_failures_and_are_in_both_logs(bench: Bench) -> None:
    step = bench.measure(order("errors"), {"delay": "constant(20ms)", "error_ratio": "0.2"})
    assert step.unmatched == 0
    assert step.failed > 0
    assert any("requests failed" in fault for fault in step.faults)


def test_open_arrivals_are_all_in_the_golden_log_with_the_response_times_of_their_intended_starts(bench: Bench) -> None:
    asked = replace(order("open"), users=0, rate_rps=100, pattern="constant", settle_s=0.8)
    step = bench.measure(asked)
    _agrees(step)
    found = step.open
    assert found is not None
    assert found.planned in (99, 100, 101)
    assert found.dropped == 0
    assert found.started - 2 <= found.arrived <= found.planned + 2
    assert found.errors.p50_s is not None
    assert found.errors.p50_s > 0.0
    assert found.truth.p50_s is not None
    assert step.truth.p50_s is not None
    assert found.truth.p50_s > step.truth.p50_s, "a response counts from the intended start"


def test_an_open_load_goes_on_while_the_server_is_frozen(bench: Bench) -> None:
    asked = replace(order("open-frozen", generators=2), users=0, rate_rps=100, settle_s=0.8, measure_s=1.2)
    step = bench.measure(asked, {"delay": "constant(20ms)", "freeze": "400ms/800ms"})
    found = step.open
    assert found is not None
    assert (step.unmatched, step.failed, found.dropped) == (0, 0, 0)
    assert found.truth.p95_s is not None
    assert found.truth.p95_s > 0.1, "a freeze of 400 ms in every 800 ms holds half of all arrivals up"
