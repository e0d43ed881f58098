"""The cross-check compares increases over the stretch that Prometheus and the service both saw."""

from __future__ import annotations

import pytest

from loadlab.execute.cluster.cross_check import _Own, compare


def _own(*points: tuple[float, float]) -> list[_Own]:
    return [_Own(unix_s=at, cpu_s=cpu, throttled_periods=int(at)) for at, cpu in points]


def test_the_same_work_has_the_ratio_one() -> None:
    own = _own((100.0, 1.0), (120.0, 3.0), (140.0, 3.0))
    series = {"cpu": [[(90.0, 0.5), (105.0, 1.6), (135.0, 3.1), (150.0, 9.0)]], "memory": [[(135.0, 64.0)]]}
    found = compare(1, "flask", own, series, restarts=0, reason=None)
    assert found.span_s == 30.0
    assert (found.own_cpu_s, found.cadvisor_cpu_s) == pytest.approx((1.5, 1.5))
    assert found.ratio == pytest.approx(1.0)
    assert (found.working_set_bytes, found.own_throttled_periods, found.reason) == (64, 30, None)


def test_replicas_are_added_up() -> None:
    own = _own((100.0, 0.0), (130.0, 4.0))
    one = [(100.0, 0.0), (130.0, 2.0)]
    assert compare(1, "flask", own, {"cpu": [one, one]}, restarts=0, reason=None).ratio == pytest.approx(1.0)


def test_too_little_in_common_is_absent_with_its_reason() -> None:
    own = _own((100.0, 0.0), (104.0, 4.0))
    found = compare(1, "flask", own, {"cpu": [[(101.0, 0.0), (103.0, 1.0)]]}, restarts=0, reason=None)
    assert (found.ratio, found.cadvisor_cpu_s) == (None, None)
    assert found.reason is not None
    assert "less than 20 s" in found.reason


def test_a_silent_prometheus_is_the_reason() -> None:
    found = compare(1, "flask", _own((1.0, 0.0), (2.0, 1.0)), {}, restarts=None, reason="Prometheus has no ready pod")
    assert (found.ratio, found.restarts, found.reason) == (None, None, "Prometheus has no ready pod")


def test_a_service_that_tells_nothing_still_has_the_clusters_figures() -> None:
    own = [_Own(unix_s=at, cpu_s=None, throttled_periods=None) for at in (100.0, 140.0)]
    found = compare(1, "mine", own, {"cpu": [[(105.0, 1.0), (135.0, 3.0)]]}, restarts=0, reason=None)
    assert (found.cadvisor_cpu_s, found.own_cpu_s, found.ratio) == (2.0, None, None)
    assert found.reason == "the service tells no figures of its own"
