"""The gate on the dispatch lag of open arrivals, by histograms whose quantiles are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hdrh.histogram import HdrHistogram

from builders import HDR_DIGITS, HDR_HIGHEST_US, HDR_LOWEST_US, make_arrivals, make_experiment, make_open, make_window
from loadlab.analysis.dispatch_gate import dispatch_lag
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.repeats import needs_repeat
from loadlab.analysis.validity import is_valid, window_findings
from loadlab.errors import BundleError
from loadlab.model.result import Finding
from loadlab.model.run import Window
from loadlab.stats.histogram import decode
from loadlab.stats.histogram import merge as merged

OPEN = make_open(make_experiment(), 40)
IN_TIME_US = 100
SERVICE_S = 0.2
"""Of every request of the window: 5 % of it are 10 ms."""


def _encoded(*parts: tuple[int, int]) -> str:
    recorded = HdrHistogram(HDR_LOWEST_US, HDR_HIGHEST_US, HDR_DIGITS)  # type: ignore[no-untyped-call]
    for lag_us, count in parts:
        recorded.record_value(lag_us, count)  # type: ignore[no-untyped-call]
    encoded: bytes = recorded.encode()  # type: ignore[no-untyped-call]
    return encoded.decode()


def _window(*lags: tuple[int, int]) -> Window:
    """Forty arrivals, answered in 200 ms; lags: how late so many of all requests were."""
    window = make_window()
    arrivals = replace(make_arrivals(window.load, planned=40), dispatch_histogram=_encoded(*lags))
    return replace(window, load=replace(window.load, arrivals=arrivals))


def _judged(window: Window, bounds: GateBounds | None = None) -> Finding | None:
    return dispatch_lag(window, decode(window.load.histogram), bounds or GateBounds())


@pytest.mark.parametrize(
    ("late_us", "count", "of"),
    [(20_000, 10, 1000), (9_900, 11, 1000), (9_900, 499, 1000), (20_000, 5, 100), (20_000, 1, 20), (900, 501, 1000)],
)
def test_sends_that_are_late_seldom_or_a_little_pass(late_us: int, count: int, of: int) -> None:
    """The 990th of 1000 and the 95th of 100 are on time, or within the bounds."""
    assert _judged(_window((IN_TIME_US, of - count), (late_us, count))) is None


@pytest.mark.parametrize(
    ("late_us", "count", "of", "got", "expected"),
    [
        (10_100, 11, 1000, "p99 10.1 ms, median 100 µs", "p99 at most 10.0 ms, median at most 1.00 ms"),
        (10_100, 6, 100, "p95 10.1 ms, median 100 µs", "p95 at most 10.0 ms, median at most 1.00 ms"),
        (1_100, 501, 1000, "p99 1.10 ms, median 1.10 ms", "p99 at most 10.0 ms, median at most 1.00 ms"),
    ],
)
def test_a_window_whose_sends_are_late_is_invalid_and_says_by_how_much(
    late_us: int, count: int, of: int, got: str, expected: str
) -> None:
    found = _judged(_window((IN_TIME_US, of - count), (late_us, count)))
    assert found is not None
    assert (found.code, found.level, found.where) == ("dispatch_lag", "invalid", "b01-008-pool")
    assert (found.got, found.expected) == (got, expected)
    assert "load.rate_rps" in (found.next_step or "")


@pytest.mark.parametrize(("late_us", "passes"), [(4_900, True), (5_100, False)])
def test_where_answers_are_quick_the_bound_is_five_milliseconds(late_us: int, passes: bool) -> None:
    window = _window((IN_TIME_US, 989), (late_us, 11))
    quick = replace(window, load=replace(window.load, histogram=_encoded((2_000, 40))))
    assert (_judged(quick) is None) is passes


def test_the_share_is_of_the_time_from_the_send_which_a_late_dispatcher_does_not_lengthen() -> None:
    """From the intended start these answers took 2 s, of which 5 % would be 100 ms."""
    window = _window((IN_TIME_US, 500), (90_000, 500))
    assert window.load.arrivals is not None
    late = replace(window.load.arrivals, response_histogram=_encoded((2_000_000, 40)))
    found = _judged(replace(window, load=replace(window.load, arrivals=late)))
    assert found is not None
    assert found.expected == "p99 at most 10.0 ms, median at most 1.00 ms"


def test_other_bounds_judge_otherwise() -> None:
    window = _window((IN_TIME_US, 980), (15_000, 20))
    assert _judged(window) is not None
    assert _judged(window, GateBounds(dispatch_lag_s=0.016)) is None
    assert _judged(window, GateBounds(dispatch_lag_of_measured_ratio=0.08)) is None
    assert _judged(window, GateBounds(dispatch_lag_of_measured_ratio=0.08, dispatch_lag_p50_s=5e-5)) is not None


@pytest.mark.parametrize(
    ("window", "got"),
    [
        (_window((20_000, 19)), "dispatch lag of 19 requests: not known"),
        (make_window(), "dispatch lag of an open load: not known"),
    ],
)
def test_too_few_requests_or_none_that_were_planned_cannot_be_judged(window: Window, got: str) -> None:
    found = _judged(window)
    assert found is not None
    assert (found.level, found.got) == ("not_available", got)


def test_lags_that_cannot_be_read_are_a_damaged_bundle() -> None:
    window = _window((IN_TIME_US, 100))
    assert window.load.arrivals is not None
    spoilt = replace(window.load.arrivals, dispatch_histogram="x")
    with pytest.raises(BundleError, match="dispatch lags cannot be read"):
        _judged(replace(window, load=replace(window.load, arrivals=spoilt)))


def test_only_open_loads_are_judged_and_a_refused_pair_is_measured_again() -> None:
    late = _window((20_000, 40))
    assert [found.code for found in window_findings(late, OPEN)] == ["dispatch_lag"]
    assert window_findings(late, make_experiment()) == ()
    assert not is_valid(window_findings(late, OPEN))
    other = replace(_window((IN_TIME_US, 40)), id="b01-008-loop", stack="loop")
    assert needs_repeat((late, other), OPEN) == {late.id, other.id}
    assert needs_repeat((replace(late, load=other.load), other), OPEN) == frozenset()


def test_the_lags_of_all_workers_are_judged_together() -> None:
    """One worker in four that is late is late for a quarter of the requests."""
    parts = [decode(_encoded((IN_TIME_US, 250)))] * 3 + [decode(_encoded((30_000, 250)))]
    whole = merged(parts)
    window = _window(
        *((round(value_s * 1e6), int(count)) for value_s, count in zip(whole.values_s, whole.counts, strict=True))
    )
    found = _judged(window)
    assert found is not None
    assert str(found.got).startswith("p99 30.0 ms")
