"""What a stack's processes used in a window, out of the samples taken while it was open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from loadlab.model.run import ResourceSample, Window, WorkerSample, seconds_between

T = TypeVar("T", int, float)
_MAX_SPAN_OFF_RATIO = 0.5
"""Samples whose span is further than this from the window's seconds tell of a clock that jumped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowResources:
    """Use of the process tree in one window; None or empty where the service does not tell.

    pss_bytes and rss_bytes: peak. slots and connections by worker: mean over the samples, largest first.
    """

    cpu_cores: float | None
    cpu_s_per_request: float | None
    pss_bytes: int | None
    rss_bytes: int | None
    in_flight_mean: float | None
    slots_busy_by_worker: tuple[float, ...]
    connections_by_worker: tuple[float, ...]
    loop_lag_mean_s: float | None


def window_resources(window: Window) -> WindowResources:
    """Reduce the samples of one window."""
    samples = window.resources
    span_s = _span_s(samples, window.load.measure_s)
    cpu_s = _without_scrapes(_gained([s.cpu_s for s in samples]), window)
    workers = [worker for sample in samples for worker in sample.workers]
    return WindowResources(
        cpu_cores=None if cpu_s is None or span_s is None else cpu_s / span_s,
        cpu_s_per_request=_cpu_s_per_request(window, cpu_s, span_s),
        pss_bytes=max(_known(s.pss_bytes for s in samples), default=None),
        rss_bytes=max(_known(s.rss_bytes for s in samples), default=None),
        in_flight_mean=_mean(s.in_flight for s in samples),
        slots_busy_by_worker=_by_worker(workers, [w.slots_busy for w in workers]),
        connections_by_worker=_by_worker(workers, [w.connections for w in workers]),
        loop_lag_mean_s=_mean(s.loop_lag_mean_s for s in samples),
    )


def _without_scrapes(cpu_s: float | None, window: Window) -> float | None:
    """What the lab itself cost the service by looking at it is not the service's: one scrape between two samples."""
    if cpu_s is None:
        return None
    return max(0.0, cpu_s - (len(window.resources) - 1) * (window.scrape_cpu_s or 0.0))


def _cpu_s_per_request(window: Window, cpu_s: float | None, span_s: float | None) -> float | None:
    """Processor seconds by requests of the same span: the service's own count, else the window's rate."""
    if cpu_s is None:
        return None
    served = _gained([None if s.served is None else float(s.served) for s in window.resources])
    if served is None and span_s is not None:
        served = (window.load.ok + window.load.failed) * span_s / window.load.measure_s
    return cpu_s / served if served else None


def _span_s(samples: Sequence[ResourceSample], measure_s: float) -> float | None:
    if len(samples) < 2:
        return None
    span_s = seconds_between(samples[0], samples[-1])
    return span_s if abs(span_s - measure_s) <= _MAX_SPAN_OFF_RATIO * measure_s else None


def _gained(values: Sequence[float | None]) -> float | None:
    """Last minus first of a cumulative figure; None where an end is absent or it ran backwards."""
    if len(values) < 2 or values[0] is None or values[-1] is None or values[-1] < values[0]:
        return None
    return values[-1] - values[0]


def _known(values: Iterable[T | None]) -> list[T]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def _by_worker(workers: Sequence[WorkerSample], values: Sequence[float | None]) -> tuple[float, ...]:
    seen: dict[int, list[float]] = {}
    for worker, value in zip(workers, values, strict=True):
        if value is not None:
            seen.setdefault(worker.pid, []).append(float(value))
    return tuple(sorted((fmean(each) for each in seen.values()), reverse=True))
