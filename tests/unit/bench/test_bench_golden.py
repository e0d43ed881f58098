"""The reference itself has a bar, and a step that lost requests is no measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench import measure_golden as module
from bench.arena import Arena, MeasureError
from bench.figures import Figure
from bench.measure_golden import golden_lateness, measure_golden
from builders_calibration import alike, make_open_step, make_step
from loadlab.model.calibration import Order, Quantiles, Step


def late_step(p99_s: float | None, delay_s: float = 0.01) -> Step:
    return replace(make_step(truth_s=delay_s), golden_late=Quantiles(p50_s=1e-6, p95_s=2e-6, p99_s=p99_s, p999_s=None))


@pytest.mark.parametrize(("worst_s", "is_met"), [(0.00019, True), (0.00021, False)])
def test_the_golden_server_is_judged_by_its_worst_delay(worst_s: float, is_met: bool) -> None:
    figure = golden_lateness([late_step(0.00003), late_step(worst_s, delay_s=1.0), late_step(None)])
    assert figure.ok is is_met
    assert figure.value == pytest.approx(worst_s * 1e3)
    assert figure.lower == pytest.approx(0.03)
    assert figure.note == "at 1000 ms"


def test_a_golden_server_of_which_nothing_is_known_is_no_pass() -> None:
    assert golden_lateness([late_step(None)]).ok is False


class ScriptedBench:
    """Every step is whole, but for one that lost a request."""

    def __init__(self, lossy: str, closed: Step) -> None:
        self._lossy = lossy
        self._closed = closed

    def measure(self, order: Order, program: Mapping[str, str] | None = None) -> Step:
        made = self._closed if order.rate_rps is None else make_open_step(rate_rps=order.rate_rps)
        lost = order.id == self._lossy
        return replace(made, order=order, failed=int(lost), faults=("1 requests failed",) if lost else ())


def measured(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, lossy: str = "", closed: Step | None = None
) -> list[Figure]:
    @contextmanager
    def opened(_layout: object) -> Iterator[ScriptedBench]:
        yield ScriptedBench(lossy, closed or make_step())

    monkeypatch.setattr(module, "open_bench", opened)
    return list(measure_golden(arena))


def test_a_whole_measure_has_the_reference_beside_the_errors(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {figure.name: figure for figure in measured(arena, monkeypatch)}
    assert figures["golden server late, p99"].ok
    assert {"stall, closed: service time p99", "stall, open: response time p99", "error p99 at 1 ms"} <= figures.keys()


@pytest.mark.parametrize("lossy", ["bench-0.01", "bench-stall-closed", "bench-stall-open"])
def test_a_step_that_lost_requests_is_no_measure(arena: Arena, monkeypatch: pytest.MonkeyPatch, lossy: str) -> None:
    with pytest.raises(MeasureError, match="1 requests failed"):
        measured(arena, monkeypatch, lossy)


@pytest.mark.parametrize(
    ("closed", "error_ms", "is_met"),
    [
        (make_step(recorded_s=0.0101), 0.1, True),
        (make_step(recorded_s=0.0103), 0.3, False),
        (make_step(recorded_s=0.0097), 0.3, False),
        (replace(make_step(recorded_s=0.0097), absolute_errors=alike(0.0001)), 0.3, False),
        (replace(make_step(recorded_s=0.0103), absolute_errors=alike(0.0001)), 0.3, False),
    ],
    ids=["near", "too long", "too short", "single requests right, reported too short", "reported too long"],
)
def test_an_error_counts_in_both_directions_and_so_does_what_would_be_reported(
    closed: Step, error_ms: float, is_met: bool, arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {figure.name: figure for figure in measured(arena, monkeypatch, closed=closed)}
    for name in ("error p50 at 10 ms", "error p99 at 10 ms"):
        assert figures[name].value == pytest.approx(error_ms)
        assert figures[name].ok is is_met


def test_an_error_that_is_not_known_is_no_pass(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Quantiles(p50_s=0.0001, p95_s=0.0001, p99_s=None, p999_s=None)
    figures = {f.name: f for f in measured(arena, monkeypatch, closed=replace(make_step(), absolute_errors=few))}
    assert figures["error p50 at 10 ms"].ok
    assert figures["error p99 at 10 ms"].ok is False
