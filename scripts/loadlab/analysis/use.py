"""What a deployment did in a stretch of time, as far as any bill can depend on it. None is absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from loadlab.analysis.money import exact
from loadlab.model.run import ResourceSample, Window, seconds_between


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What a deployment did in ``span_s`` seconds; all replicas together, except active_s (of each replica).

    requests: ended, good or not. active_s: with at least one request in flight. held_s: environments of their own
    that requests hold, each for its billed time; None on a shared replica, which has none. cpu_s and memory_bytes
    (mean of the PSS, as a usage bill averages it) are None where the service does not tell.
    """

    span_s: Fraction
    requests: Fraction
    active_s: Fraction
    held_s: Fraction | None
    cpu_s: Fraction | None
    memory_bytes: Fraction | None
    replicas: int = 1


def window_use(window: Window) -> Use:
    """The use of one measured window; processor seconds are scaled from the samples' span to the window's."""
    load = window.load
    return Use(
        span_s=exact(load.measure_s),
        requests=Fraction(load.ok + load.failed),
        active_s=exact(load.active_s),
        held_s=None,
        cpu_s=_cpu_s(window.resources, exact(load.measure_s), exact(window.scrape_cpu_s or 0.0)),
        memory_bytes=_mean_pss_bytes(window.resources),
        replicas=window.replicas,
    )


def _cpu_s(samples: Sequence[ResourceSample], span_s: Fraction, scrape_s: Fraction) -> Fraction | None:
    """The lab's own looks at the service, one between two samples, are not on anybody's bill."""
    if len(samples) < 2:
        return None
    opened, closed = samples[0], samples[-1]
    sampled_s = exact(seconds_between(opened, closed))
    if opened.cpu_s is None or closed.cpu_s is None or sampled_s <= 0:
        return None
    spent_s = exact(closed.cpu_s) - exact(opened.cpu_s) - (len(samples) - 1) * scrape_s
    return max(Fraction(0), spent_s) / sampled_s * span_s


def _mean_pss_bytes(samples: Sequence[ResourceSample]) -> Fraction | None:
    known = [sample.pss_bytes for sample in samples if sample.pss_bytes is not None]
    return Fraction(sum(known), len(known)) if known else None


def total_use(uses: Sequence[Use]) -> Use:
    """Several stretches of one deployment as one; memory is the mean over time, replicas the first's. None stays."""
    span_s = sum((use.span_s for use in uses), Fraction(0))
    return Use(
        span_s=span_s,
        requests=sum((use.requests for use in uses), Fraction(0)),
        active_s=sum((use.active_s for use in uses), Fraction(0)),
        held_s=_sum_known([use.held_s for use in uses]),
        cpu_s=_sum_known([use.cpu_s for use in uses]),
        memory_bytes=_mean_known([(use.memory_bytes, use.span_s / span_s) for use in uses]),
        replicas=uses[0].replicas,
    )


def _sum_known(values: Sequence[Fraction | None]) -> Fraction | None:
    known = [value for value in values if value is not None]
    return sum(known, Fraction(0)) if len(known) == len(values) else None


def _mean_known(weighted: Sequence[tuple[Fraction | None, Fraction]]) -> Fraction | None:
    return _sum_known([None if value is None else value * weight for value, weight in weighted])


def scaled_use(use: Use, *, span_s: int, load_ratio: Fraction, replicas: int) -> Use:
    """The use in ``span_s`` seconds under ``load_ratio`` times the load, by another number of replicas.

    Requests, held time and processor time grow with the load, memory with the replicas; the time with a request
    in flight keeps its share of the span.
    """
    time_ratio = span_s / use.span_s
    return Use(
        span_s=Fraction(span_s),
        requests=use.requests * load_ratio * time_ratio,
        active_s=use.active_s * time_ratio,
        held_s=None if use.held_s is None else use.held_s * load_ratio * time_ratio,
        cpu_s=None if use.cpu_s is None else use.cpu_s * load_ratio * time_ratio,
        memory_bytes=None if use.memory_bytes is None else use.memory_bytes * Fraction(replicas, use.replicas),
        replicas=replicas,
    )
