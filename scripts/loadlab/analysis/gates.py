"""The gates of one window (docs/method.md, "Is it the generator?"): each one passes, fails or cannot be judged."""

from __future__ import annotations

import math
from collections.abc import Callable

from loadlab.analysis.codes import GateCode, finding
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.resources import seen_whole
from loadlab.model.result import Finding
from loadlab.model.run import Window
from loadlab.stats.histogram import Latencies
from loadlab.units import format_cores, format_count, format_percent, format_s

Gate = Callable[[Window, Latencies, GateBounds], Finding | None]


def lag(window: Window, latencies: Latencies, bounds: GateBounds) -> Finding | None:
    """How late the generator's greenlets woke: p99 within 5 ms or 5 % of the measured p99, median within 1 ms."""
    health = window.load.health
    p99_s = latencies.quantile_s(0.99) or 0.0
    allowed_s = max(bounds.lag_p99_s, bounds.lag_p99_of_measured_ratio * p99_s)
    if health.lag_p99_s <= allowed_s and health.lag_p50_s <= bounds.lag_p50_s:
        return None
    return _failed(
        window,
        "lag",
        f"p99 {format_s(health.lag_p99_s)}, median {format_s(health.lag_p50_s)}",
        f"p99 at most {format_s(allowed_s)}, median at most {format_s(bounds.lag_p50_s)}",
        "give the load generator more cores, or lower the load",
    )


def idle_stack(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The stack that is not measured uses less than 1 % of a core, beside what Prometheus' scrapes cost it."""
    if window.idle_cpu_cores is None:
        return _unknown(window, "idle_stack", "processor time of the idle stack")
    most_cores = bounds.idle_cpu_cores + _scrapes_cores(window, bounds)
    if window.idle_cpu_cores < most_cores:
        return None
    return _failed(
        window,
        "idle_stack",
        format_cores(window.idle_cpu_cores),
        f"below {format_cores(most_cores)}",
        "look for work that the idle stack does by itself (background jobs, busy waiting)",
    )


def _scrapes_cores(window: Window, bounds: GateBounds) -> float:
    """Of as many scrapes as may fall into the window, each at what one cost when it was measured."""
    if bounds.prometheus_every_s is None or not window.scrape_cpu_s or not window.load.measure_s > 0:
        return 0.0
    scrapes = math.ceil(window.load.measure_s / bounds.prometheus_every_s)
    return scrapes * window.scrape_cpu_s / window.load.measure_s


def closed_schedule(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The time integral of users in a request or thinking, over the window, equals N within 2 %."""
    there = window.load.user_time_s / window.load.measure_s
    if abs(there / window.users - 1) <= bounds.schedule_ratio:
        return None
    return _failed(
        window,
        "schedule",
        f"{there:.2f} users on average",
        f"{window.users} users within {format_percent(bounds.schedule_ratio)}",
        "look for users that stopped with an error, and for a generator that is short of processor time",
    )


def open_schedule(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Of the arrivals that the schedule has in the window, at least 99 % were begun in it and none was dropped."""
    arrivals = window.load.arrivals
    if arrivals is None:
        return _unknown(window, "schedule", "planned arrivals")
    if arrivals.started >= bounds.started_ratio * arrivals.planned and not arrivals.dropped:
        return None
    return _failed(
        window,
        "schedule",
        f"{format_count(arrivals.started)} of {format_count(arrivals.planned)} planned arrivals begun, "
        f"{format_count(arrivals.dropped)} dropped",
        f"at least {format_percent(bounds.started_ratio)} begun, none dropped",
        "lower load.rate_rps; where the service can hold more at once, raise load.in_flight_max",
    )


def generator_cpu(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The generator uses less than 70 % of its cores."""
    health = window.load.health
    used_ratio = health.cpu_cores / health.cores
    if used_ratio < bounds.generator_cpu_ratio:
        return None
    return _failed(
        window,
        "generator_cpu",
        f"{format_percent(used_ratio)} of {health.cores} cores",
        f"below {format_percent(bounds.generator_cpu_ratio)}",
        "give the load generator more cores, or lower the load",
    )


def throttled(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The generator's processor quota never stops it."""
    del bounds
    stopped_s = window.load.health.throttled_s
    if stopped_s is None:
        return _unknown(window, "throttled", "throttled time of the load generator")
    if stopped_s <= 0:
        return None
    return _failed(window, "throttled", format_s(stopped_s), "0 s", "raise the generator's processor limit")


def steal(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The host takes less than 1 % of the processor time: for others, or to wake an idle core."""
    stolen_ratio = window.load.health.steal_ratio
    if stolen_ratio is None:
        return _unknown(window, "steal", "stolen processor time")
    if stolen_ratio < bounds.steal_ratio:
        return None
    return _failed(
        window,
        "steal",
        format_percent(stolen_ratio),
        f"below {format_percent(bounds.steal_ratio)}",
        "use a machine whose processors are not shared, or measure at a quieter time; for a run on this machine that "
        "lets idle cores sleep, `loadlab doctor` says whether window.keep_awake = true helps",
    )


def conservation(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Over the whole trial: sent = answered + failed = served, and the service's upstream calls = upstream arrivals."""
    del bounds
    books = window.books
    if books is None:
        return _unknown(window, "conservation", "the books of the trial")
    calls, arrivals = books.upstream_calls, books.upstream_arrivals
    upstream_balances = None in (calls, arrivals) or calls == arrivals
    entries = {"answered + failed": books.answered + books.failed, "served": books.served}
    if not upstream_balances or any(count not in (None, books.sent) for count in entries.values()):
        every = {**entries, "upstream calls": calls, "upstream arrivals": arrivals}
        if books.abandoned:
            every["abandoned by a worker that quit"] = books.abandoned
        return _failed(
            window,
            "conservation",
            ", ".join(f"{name} {'unknown' if n is None else n}" for name, n in every.items()),
            f"answered + failed and served equal to {books.sent} sent, upstream calls equal to its arrivals",
            "look into the service's log for requests that were cut off or came from elsewhere",
        )
    if books.served is None:
        return _unknown(window, "conservation", "the service's own count of requests")
    return None


def resources(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The service told what it used, when the window opened and when it closed."""
    del bounds
    if seen_whole(window):
        return None
    samples = window.resources
    ends = {"open": samples[:1], "close": samples[1:][-1:]}
    missed = [name for name, found in ends.items() if not any(sample.is_told for sample in found)]
    return _unknown(window, "resources", f"the service's figures at {' and '.join(missed) or 'close, in time'}")


def partial(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """The whole window is known."""
    del bounds
    if window.load.state == "complete":
        return None
    holes = "; ".join(window.load.holes) or "a hole of unknown cause"
    return _failed(window, "partial", holes, "no hole", "see why a worker of the load generator was lost")


def halves_disagree(window: Window, latencies: Latencies, bounds: GateBounds) -> Finding | None:
    """Both halves end about as many requests, about as fast.

    Counts may differ by 10 %, by four standard deviations of a Poisson difference, or by one request of each
    user (a closed loop in step puts one more round into one of the halves): whatever is most. Mean latencies
    may differ by 25 % or by four standard errors. So a settled window fails about once in ten thousand.
    """
    first, second = window.load.half_ok
    allowed = max(
        bounds.half_count_ratio * (first + second) / 2,
        bounds.half_sigmas * math.sqrt(first + second),
        window.users,
    )
    if abs(first - second) > allowed:
        return _failed(
            window,
            "halves_disagree",
            f"{format_count(first)} and {format_count(second)} requests answered",
            f"a difference of at most {format_count(allowed)}",
            "lengthen window.measure_s; look for work that comes and goes on this machine",
        )
    return _halves_latency(window, latencies, bounds)


def planned_halves(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Both halves end about as many requests as the schedule has in them, within 10 % or four Poisson deviations."""
    arrivals = window.load.arrivals
    if arrivals is None:
        return _unknown(window, "halves_disagree", "planned arrivals")
    (first, second), (early, late) = window.load.half_ok, arrivals.half_planned
    allowed = max(bounds.half_count_ratio * (first + second) / 2, bounds.half_sigmas * math.sqrt(first + second))
    if abs((first - second) - (early - late)) <= allowed:
        return None
    return _failed(
        window,
        "halves_disagree",
        f"{format_count(first)} and {format_count(second)} requests answered, "
        f"{format_count(early)} and {format_count(late)} planned",
        f"differences that agree within {format_count(allowed)}",
        "lower load.rate_rps if the service cannot keep up; look for work that comes and goes on this machine",
    )


def open_halves(window: Window, latencies: Latencies, bounds: GateBounds) -> Finding | None:
    """As planned_halves, and the second half is not the faster one, as it is while a service still warms up.

    A second half that is slower says something of the service: it cannot keep up with the rate.
    """
    early_s, late_s = window.load.half_latency_mean_s
    slows_down = early_s is not None and late_s is not None and late_s >= early_s
    settling = None if slows_down else _halves_latency(window, latencies, bounds)
    return planned_halves(window, latencies, bounds) or settling


def workers(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Every worker process of the generator took part."""
    del bounds
    health = window.load.health
    if health.workers == health.workers_expected:
        return None
    return _failed(window, "workers", str(health.workers), str(health.workers_expected), "see the load generator's log")


def empty(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Something ended."""
    del bounds
    if window.load.ok + window.load.failed > 0:
        return None
    return _failed(
        window,
        "empty",
        "0 requests",
        "at least 1",
        "lengthen window.measure_s beyond the longest request, or see whether the service answers at all",
    )


def note(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Nothing went wrong that somebody wrote down."""
    del bounds
    if not window.notes:
        return None
    return _failed(window, "note", "; ".join(window.notes), "nothing", "see the service's log in the bundle")


def _halves_latency(window: Window, latencies: Latencies, bounds: GateBounds) -> Finding | None:
    (first, second), (early_s, late_s) = window.load.half_ok, window.load.half_latency_mean_s
    sd_s = latencies.sd_s
    if early_s is None or late_s is None or sd_s is None or not (first and second):
        return None
    error_s = sd_s * math.sqrt(1 / first + 1 / second)
    allowed_s = max(bounds.half_latency_ratio * (early_s + late_s) / 2, bounds.half_sigmas * error_s)
    if abs(early_s - late_s) <= allowed_s:
        return None
    return _failed(
        window,
        "halves_disagree",
        f"mean latency {format_s(early_s)} and {format_s(late_s)}",
        f"a difference of at most {format_s(allowed_s)}",
        "lengthen window.measure_s; look for work that comes and goes on this machine",
    )


def _failed(window: Window, code: GateCode, got: str, expected: str, next_step: str) -> Finding:
    return finding(code, "invalid", window.id, got=got, expected=expected, next_step=next_step)


def _unknown(window: Window, code: GateCode, what: str) -> Finding:
    return finding(code, "not_available", window.id, got=f"{what}: not known", expected="a figure")
