"""Per block: the service's own processor seconds beside cAdvisor's, which Prometheus kept meanwhile.

cAdvisor looks every 10 to 15 s and Prometheus asks every 10 s, so an instant means nothing: the increase between the
first and the last of Prometheus's samples is laid against the service's own figure, interpolated at the same times.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import urllib3

from loadlab.errors import ClusterError
from loadlab.execute.cluster.forward import PortForward
from loadlab.execute.cluster.pod import Pod, read_pod
from loadlab.execute.cluster.ways import Cluster, Note
from loadlab.model.cluster import CrossCheck
from loadlab.model.run import ResourceSample

PORT = 9090
LEAST_SPAN_S = 20.0
NAMES = {
    "cpu": "container_cpu_usage_seconds_total",
    "throttled": "container_cpu_cfs_throttled_periods_total",
    "memory": "container_memory_working_set_bytes",
}

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Own:
    unix_s: float
    cpu_s: float | None
    throttled_periods: int | None


class CrossChecker:
    """Hears of every sample of a stack and asks Prometheus at the end of a block."""

    def __init__(self, cluster: Cluster, note: Note) -> None:
        self._cluster = cluster
        self._note = note
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1.0, read=4.0))
        self._seen: dict[str, list[_Own]] = {}
        self._forward: PortForward | None = None

    def watch(self, stack: str, sample: ResourceSample) -> None:
        """One sample of a stack."""
        own = _Own(unix_s=sample.unix_s, cpu_s=sample.cpu_s, throttled_periods=sample.throttled_periods)
        self._seen.setdefault(stack, []).append(own)

    def finish(self, block: int, pods: Callable[[str], Sequence[Pod]]) -> None:
        """Write the block's comparison into the bundle and forget its samples. pods: of a stack."""
        rows = [asdict(self._check(block, stack, own, pods(stack))) for stack, own in self._seen.items()]
        self._seen.clear()
        if rows:
            self._note("cross_check", {"block": block, "stacks": rows})

    def prometheus_url(self) -> str | None:
        """Where the lab's Prometheus answers on this machine; None when it does not."""
        try:
            return self._url()
        except (_AbsentError, ClusterError):
            return None

    def close(self) -> None:
        """Close the way to Prometheus."""
        if self._forward is not None:
            self._forward.close()
            self._forward = None

    def _check(self, block: int, stack: str, own: Sequence[_Own], pods: Sequence[Pod]) -> CrossCheck:
        if not pods:
            return compare(block, stack, own, {}, restarts=None, reason="it has no pods in this cluster")
        restarts = self._restarts(pods)
        try:
            series = {key: self._series(name, pods, own) for key, name in NAMES.items()}
        except _AbsentError as why:
            return compare(block, stack, own, {}, restarts=restarts, reason=str(why))
        return compare(block, stack, own, series, restarts=restarts, reason=None)

    def _restarts(self, pods: Sequence[Pod]) -> int | None:
        """Since these pods were prepared; None when one of them is gone."""
        before = {pod.uid: pod.restarts for pod in pods}
        now = {pod.uid: pod.restarts for raw in self._cluster.api.pods() if (pod := read_pod(raw)).uid in before}
        return sum(now[uid] - was for uid, was in before.items()) if now.keys() == before.keys() else None

    def _series(self, name: str, pods: Sequence[Pod], own: Sequence[_Own]) -> list[list[Point]]:
        """Raw samples of each pod's container, oldest first."""
        span_s = max(60, round(own[-1].unix_s - own[0].unix_s) + 30)
        wanted = "|".join(pod.name for pod in pods)
        query = f'{name}{{pod=~"{wanted}",container="service"}}[{span_s}s]'
        url = f"{self._url()}/api/v1/query"
        try:
            answer = self._http.request("GET", url, fields={"query": query})
            result = orjson.loads(answer.data)["data"]["result"]
        except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError, KeyError) as error:
            self.close()  # its pod may be another one by the next block
            raise _AbsentError(f"Prometheus does not answer ({type(error).__name__})") from None
        return [[(float(at), float(value)) for at, value in one["values"]] for one in result]

    def _url(self) -> str:
        if self._forward is not None:
            self._forward.mend()
            return self._forward.url
        raw = self._cluster.api.get(
            "/api/v1/namespaces/loadlab/pods", labelSelector="app.kubernetes.io/name=prometheus"
        )
        pod = next((one for item in raw["items"] if (one := read_pod(item)).is_ready and not one.is_deleted), None)
        if pod is None:
            raise _AbsentError("Prometheus has no ready pod")
        forward = self._cluster.forward(pod.name, PORT)
        try:
            forward.wait()
        except ClusterError as error:
            forward.close()
            raise _AbsentError(str(error)) from None
        self._forward = forward
        return forward.url


class _AbsentError(Exception):
    """There is nothing to compare with."""


def compare(
    block: int,
    stack: str,
    own: Sequence[_Own],
    series: Mapping[str, Sequence[Sequence[Point]]],
    *,
    restarts: int | None,
    reason: str | None,
) -> CrossCheck:
    """The service's figures over the stretch that both saw. Pure."""
    known = [(one.unix_s, one.cpu_s) for one in own if one.cpu_s is not None]
    periods = [(one.unix_s, float(one.throttled_periods)) for one in own if one.throttled_periods is not None]
    cpu, watched = series.get("cpu", ()), [(one.unix_s, 0.0) for one in own]
    span = _span(known or watched, cpu)
    if reason is None and span is None:
        reason = f"Prometheus and the service have less than {LEAST_SPAN_S:g} s of this block in common"
    elif reason is None and not known:
        reason = "the service tells no figures of its own"
    own_cpu_s = _increase(known, span)
    seen_cpu_s = _total([_increase(one, span) for one in cpu])
    memory = [value for one in series.get("memory", ()) for _, value in one[-1:]]
    return CrossCheck(
        block=block,
        stack=stack,
        span_s=None if span is None else span[1] - span[0],
        own_cpu_s=own_cpu_s,
        cadvisor_cpu_s=seen_cpu_s,
        ratio=seen_cpu_s / own_cpu_s if own_cpu_s and seen_cpu_s is not None else None,
        own_throttled_periods=_whole(_increase(periods, span)),
        cadvisor_throttled_periods=_whole(_total([_increase(one, span) for one in series.get("throttled", ())])),
        working_set_bytes=_whole(sum(memory)) if memory else None,
        restarts=restarts,
        reason=reason,
    )


def _span(own: Sequence[Point], series: Sequence[Sequence[Point]]) -> tuple[float, float] | None:
    """From the first to the last sample of Prometheus inside the service's own; whole where all replicas have both."""
    if len(own) < 2 or not series:
        return None
    inside = [[at for at, _ in one if own[0][0] <= at <= own[-1][0]] for one in series]
    if any(len(one) < 2 for one in inside):
        return None
    begin_s, end_s = max(one[0] for one in inside), min(one[-1] for one in inside)
    return (begin_s, end_s) if end_s - begin_s >= LEAST_SPAN_S else None


def _increase(points: Sequence[Point], span: tuple[float, float] | None) -> float | None:
    if span is None or len(points) < 2:
        return None
    return _at(points, span[1]) - _at(points, span[0])


def _at(points: Sequence[Point], unix_s: float) -> float:
    """Linear between two samples; the nearest end outside of them."""
    index = bisect_left(points, (unix_s, float("-inf")))
    if index == 0:
        return points[0][1]
    if index == len(points):
        return points[-1][1]
    (early_s, early), (late_s, late) = points[index - 1], points[index]
    return early + (late - early) * (unix_s - early_s) / (late_s - early_s)


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _whole(value: Any) -> int | None:
    return None if value is None else round(value)
