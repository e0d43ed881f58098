"""The load generator against a server of known latency: its error for single requests, and through a stall.

The same steps and the same join as `loadlab calibrate`, with tighter bars. Truth is departure less arrival by the
golden server's own log; the bar is held against the error of single requests, kernel and loopback included, and against
that of the quantile which a run would report, whichever is further off, too short or too long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.arena import Arena, MeasureError
from bench.figures import Figure, at_most
from loadlab.analysis.calibration_open import OFF_SCHEDULE_S
from loadlab.model.calibration import OpenFigures, Order, Quantiles, Step
from loadlab.pipeline.calibrate import Bench, open_bench
from loadlab.pipeline.layout import Layout

FLOOR_S = 0.0002
ERROR_RATIO = 0.01
GOLDEN_LATE_MS = 0.2
STALL_RATIO = 0.05
STALL = {"delay": "constant(8ms)", "freeze": "2s/20s"}
STALL_PERIOD_S = 20.0
STALL_RATE_RPS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """One delay: how many users ask for it and for how long."""

    delay_s: float
    users: int
    measure_s: float


CASES = (
    _Case(delay_s=0.0001, users=1, measure_s=6.0),
    _Case(delay_s=0.001, users=1, measure_s=6.0),
    _Case(delay_s=0.01, users=4, measure_s=6.0),
    _Case(delay_s=0.1, users=25, measure_s=6.0),
    _Case(delay_s=1.0, users=250, measure_s=6.0),
)
LONG_CASES = (_Case(delay_s=10.0, users=1100, measure_s=12.0), _Case(delay_s=60.0, users=1100, measure_s=65.0))


def measure_golden(arena: Arena) -> Iterator[Figure]:
    """Errors from 0.1 ms to 60 s, the golden server's own, and the stall."""
    cases = CASES if arena.quick else (*CASES, *LONG_CASES)
    with open_bench(Layout(root=arena.root, runs=arena.folder)) as bench:
        steps = []
        for case in cases:
            arena.say(f"golden: {case.delay_s:g} s, {case.users} users")
            steps.append(_without_loss(bench.measure(_order(case)), f"{case.delay_s:g} s"))
            yield from _errors(steps[-1], case)
        yield golden_lateness(steps)
        arena.say("golden: frozen 2 s in every 20 s, closed loop of 10 users")
        yield from _stall(bench, arena)
        arena.say("golden: frozen 2 s in every 20 s, 100 req/s open")
        yield from _open_stall(bench, arena)


def _order(case: _Case) -> Order:
    """A turn and a half before the window where a turn is long, so that every user is in its second."""
    settle_s = 0.5 + (1.5 * case.delay_s if case.delay_s >= 0.1 else 0.0)
    return Order(
        id=f"bench-{case.delay_s:g}",
        purpose="latency",
        delay_s=case.delay_s,
        users=case.users,
        measure_s=case.measure_s,
        settle_s=settle_s,
    )


def _without_loss(step: Step, what: str) -> Step:
    """Raises MeasureError where requests failed, were dropped, or are in one log only: there is no truth of these.

    Nor is there one of response times whose intended starts are not the schedule's.
    """
    if (
        step.unmatched
        or step.failed
        or (step.open is not None and (step.open.dropped or not keeps_schedule(step.open)))
    ):
        raise MeasureError(f"golden: {what}: {step.faults[0] if step.faults else 'no arrivals of its schedule'}")
    return step


def keeps_schedule(figures: OpenFigures) -> bool:
    """Whether arrivals were intended when their schedule has them, and not when the generator came to them."""
    return figures.off_schedule_s is not None and figures.off_schedule_s <= OFF_SCHEDULE_S


def golden_lateness(steps: Sequence[Step]) -> Figure:
    """How late the golden server itself answers, by its own log: what it has to be as a reference."""
    known = [step for step in steps if step.golden_late.p99_s is not None]
    worst = max(known, key=lambda step: step.golden_late.p99_s or 0.0, default=None)
    late_ms = [step.golden_late.p99_s * 1e3 for step in known if step.golden_late.p99_s is not None]
    return Figure(
        name="golden server late, p99",
        value=max(late_ms, default=None),
        lower=min(late_ms, default=None),
        upper=max(late_ms, default=None),
        unit="ms",
        bar=at_most(GOLDEN_LATE_MS),
        how=f"departure less due by its own log, the worst of {len(known)} delays, alone on its core",
        note="no step has 1000 requests" if worst is None else f"at {worst.order.delay_s * 1e3:g} ms",
    )


def _errors(step: Step, case: _Case) -> Iterator[Figure]:
    allowed_s = max(FLOOR_S, ERROR_RATIO * case.delay_s)
    late_us = (step.golden_late.p99_s or 0.0) * 1e6
    for name in ("p50", "p99"):
        error_s = _furthest_off_s(step, name)
        yield Figure(
            name=f"error {name} at {case.delay_s * 1e3:g} ms",
            value=None if error_s is None else error_s * 1e3,
            unit="ms",
            bar=at_most(allowed_s * 1e3),
            how=f"recorded less truth of {step.requests} single requests, without signs, or reported less true {name} "
            f"where that is more; {case.users} users, {step.delivered_rps:.0f} req/s",
            note=_note(step, name, late_us),
        )


def _furthest_off_s(step: Step, name: str) -> float | None:
    """The quantile of the errors of single requests without their signs, or how far off is what a run would report.

    The larger of both; None where one is absent.
    """
    compared = (step.absolute_errors, step.truth, step.recorded)
    error_s, truth_s, recorded_s = (getattr(each, f"{name}_s", None) for each in compared)
    if error_s is None or truth_s is None or recorded_s is None:
        return None
    return float(max(error_s, abs(recorded_s - truth_s)))


def _note(step: Step, name: str, late_us: float) -> str:
    error_s, truth_s, recorded_s = (getattr(each, f"{name}_s") for each in (step.errors, step.truth, step.recorded))
    if error_s is None or truth_s is None or recorded_s is None:
        return "fewer than 1000 requests: no p99"
    return (
        f"single requests {error_s * 1e3:+.4g} ms; reported {recorded_s * 1e3:.4g} ms, truth {truth_s * 1e3:.4g} ms; "
        f"golden server late by {late_us:.0f} us (p99)"
    )


def _stall(bench: Bench, arena: Arena) -> Iterator[Figure]:
    """A closed loop sees the stall in p99.9 alone; what it records of it must be the truth all the same.

    Of 12 000 requests each freeze hits ten: 0.25 % of them, so that p99.9 stands in it and is told (10 000 requests).
    """
    periods = arena.pick(3, 1)
    order = Order(
        id="bench-stall-closed",
        purpose="latency",
        delay_s=0.008,
        users=10,
        measure_s=periods * STALL_PERIOD_S,
        settle_s=4.0,
        think_s=0.042,
    )
    step = _without_loss(bench.measure(order, STALL), "closed stall")
    for name in ("p95", "p99", *([] if arena.quick else ["p999"])):
        yield _ratio(f"stall, closed: service time {name}", step.truth, step.recorded, name, STALL)


def _open_stall(bench: Bench, arena: Arena) -> Iterator[Figure]:
    """Open arrivals meet the stall; response time, which counts from the intended start, has to say so."""
    order = Order(
        id="bench-stall-open",
        purpose="latency",
        delay_s=0.008,
        users=0,
        measure_s=arena.pick(3, 1) * STALL_PERIOD_S,
        settle_s=4.0,
        rate_rps=STALL_RATE_RPS,
    )
    step = _without_loss(bench.measure(order, STALL), "open stall")
    figures = step.open
    if figures is None:
        raise MeasureError(f"golden: open stall: {step.faults[0]}")
    for name in ("p95", "p99"):
        figure = _ratio(f"stall, open: response time {name}", figures.truth, figures.recorded, name, STALL)
        service_s, lag_s = getattr(step.recorded, f"{name}_s"), getattr(figures.dispatch_lag, f"{name}_s")
        yield replace(figure, note=f"{figure.note}; {_open_note(figures, service_s, lag_s)}")


def _open_note(figures: OpenFigures, service_s: float | None, lag_s: float | None) -> str:
    service, lag = ("absent" if s is None else f"{s * 1e3:.4g} ms" for s in (service_s, lag_s))
    return f"service {service}, dispatch lag {lag}; {figures.started} of {figures.planned} planned arrivals begun"


def _ratio(label: str, truth: Quantiles, recorded: Quantiles, name: str, program: Mapping[str, str]) -> Figure:
    truth_s, recorded_s = getattr(truth, f"{name}_s"), getattr(recorded, f"{name}_s")
    known = truth_s is not None and recorded_s is not None
    return Figure(
        name=label,
        value=abs(recorded_s / truth_s - 1.0) if known else None,
        unit="ratio",
        bar=at_most(STALL_RATIO),
        how=f"how far what is reported is off the golden log; {program['delay']}, frozen {program['freeze']}",
        note=f"reported {recorded_s * 1e3:.4g} ms, truth {truth_s * 1e3:.4g} ms" if known else "too few requests",
    )
