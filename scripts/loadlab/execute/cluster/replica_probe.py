"""ResourceProbe over the replicas of a stack: what each tells, summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import urllib3

from loadlab.execute.ports import Clock
from loadlab.execute.prometheus import SCRAPE_TIMEOUT_S, Exposition, LagTotals, absent_sample, lag_totals, to_sample
from loadlab.execute.scrapes import MARK
from loadlab.model.run import ResourceSample, WorkerSample

PID_STRIDE = 1 << 22
"""One more than the largest process id of Linux."""

Number = TypeVar("Number", int, float)
Watcher = Callable[[str, ResourceSample], None]


class ReplicaProbe:
    """replicas: a stack's pods and the addresses of their metrics, in a fixed order. watch: hears of every sample."""

    def __init__(
        self, replicas: Callable[[str], Mapping[str, str]], clock: Clock, watch: Watcher | None = None
    ) -> None:
        self._replicas = replicas
        self._clock = clock
        self._watch = watch
        self._http = urllib3.PoolManager(num_pools=64, retries=False, timeout=SCRAPE_TIMEOUT_S)
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._scrapes: dict[str, list[str]] = {}
        self._lag: dict[str, LagTotals | None] = {}

    def sample(self, stack: str) -> ResourceSample:
        """Ask all replicas at once; a figure that one of them does not tell is absent."""
        monotonic_s = self._clock.monotonic_s()
        sample = replace(self._sample(stack), monotonic_s=monotonic_s)
        if self._watch is not None:
            self._watch(stack, sample)
        return sample

    def _sample(self, stack: str) -> ResourceSample:
        now_s = self._clock.unix_s()
        replicas = self._replicas(stack)
        urls = list(replicas.values())
        texts = list(self._pool.map(self._scrape, urls))
        told = [text for text in texts if text is not None]
        if not told or len(told) < len(urls):
            return absent_sample(now_s)
        read = [f"{MARK}{now_s:.6f} {pod}\n{text}" for pod, text in zip(replicas, told, strict=True)]
        self._scrapes.setdefault(stack, []).extend(read)
        try:
            return summed([self._one(f"{stack}/{url}", text, now_s) for url, text in zip(urls, told, strict=True)])
        except (ValueError, OverflowError):
            return absent_sample(now_s)

    def take_scrapes(self, stack: str) -> str:
        """What was scraped since the last call."""
        return "".join(self._scrapes.pop(stack, []))

    def _one(self, key: str, text: str, now_s: float) -> ResourceSample:
        metrics = Exposition.parse(text)
        sample = to_sample(metrics, now_s, self._lag.get(key))
        self._lag[key] = lag_totals(metrics)
        return sample

    def _scrape(self, url: str) -> str | None:
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError:
            return None
        return answer.data.decode(errors="replace") if answer.status == 200 else None


def summed(samples: Sequence[ResourceSample]) -> ResourceSample:
    """All replicas as one sample. The loop's lag is the mean over the replicas."""
    if len(samples) == 1:
        return samples[0]
    lags = [s.loop_lag_mean_s for s in samples if s.loop_lag_mean_s is not None]
    served = [s.served for s in samples if s.served is not None]
    return ResourceSample(
        unix_s=samples[0].unix_s,
        cpu_s=_total(s.cpu_s for s in samples),
        pss_bytes=_total(s.pss_bytes for s in samples),
        rss_bytes=_total(s.rss_bytes for s in samples),
        throttled_s=_total(s.throttled_s for s in samples),
        served=_total(s.served for s in samples),
        in_flight=_total(s.in_flight for s in samples),
        slots=_total(s.slots for s in samples),
        loop_lag_mean_s=sum(lags) / len(lags) if lags else None,
        workers=tuple(_workers(samples)),
        upstream_calls=_total(s.upstream_calls for s in samples),
        throttled_periods=_total(s.throttled_periods for s in samples),
        served_by_replica=tuple(served) if len(served) == len(samples) else None,
    )


def _workers(samples: Sequence[ResourceSample]) -> Iterable[WorkerSample]:
    for number, sample in enumerate(samples):
        for worker in sample.workers:
            yield replace(worker, pid=worker.pid + number * PID_STRIDE)


def _total(values: Iterable[Number | None]) -> Number | None:
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(listed) else None
