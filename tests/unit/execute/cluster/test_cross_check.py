"""The cross-check compares increases over the stretch that Prometheus and the service both saw."""

from __future__ import annotations

from typing import Any

import pytest

from builders import make_sample
from cluster_rig import FakeCluster
from fake_kubectl import new_pod
from loadlab.execute.cluster.cross_check import CrossChecker, _Own, compare
from loadlab.execute.cluster.pod import Pod, read_pod


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


def _pod(name: str, part: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": part, "app.kubernetes.io/part-of": "loadlab"}
    template = {"metadata": {"labels": labels, "annotations": {}}, "spec": {"containers": [{"image": "x"}]}}
    return new_pod(name, part, template)


class Block:
    """One stack of one pod, whose samples a checker has heard."""

    def __init__(self, fake: FakeCluster) -> None:
        self._fake = fake
        self._stack = _pod("stack-flask-1", "stack-flask")
        self._checker = CrossChecker(fake.ways, lambda kind, fields: fake.noted.append((kind, fields)))

    def prometheus(self, name: str) -> None:
        """It is this pod from now on."""
        self._fake.files.write("pods", {"stack": self._stack, "prometheus": _pod(name, "prometheus")})

    def finish(self, block: int) -> dict[str, Any]:
        """The row of the stack."""
        self._checker.watch("flask", make_sample())
        self._checker.finish(block, self._pods)
        _, fields = self._fake.noted[-1]
        assert isinstance(fields, dict)
        (row,) = fields["stacks"]
        return dict(row)

    def _pods(self, _stack: str) -> tuple[Pod, ...]:
        return (read_pod(self._stack),)


def test_a_prometheus_that_does_not_answer_is_the_reason_and_its_next_pod_is_asked(fake: FakeCluster) -> None:
    block = Block(fake)
    for number in (1, 2):
        block.prometheus(f"prometheus-{number}")
        row = block.finish(number)
        assert (row["cadvisor_cpu_s"], row["restarts"]) == (None, 0)
        assert row["reason"] == "Prometheus does not answer (JSONDecodeError)"
    asked = [line.split()[1] for line in fake.calls("port-forward")]
    assert asked == ["pod/prometheus-1", "pod/prometheus-2"]


def test_a_way_to_prometheus_that_does_not_open_is_the_reason_and_ends_no_run(fake: FakeCluster) -> None:
    (fake.files.folder / "closed").touch()
    block = Block(fake)
    block.prometheus("prometheus-1")
    assert "port-forward to pod prometheus-1" in block.finish(1)["reason"]
