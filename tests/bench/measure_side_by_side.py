"""500 requests a second: what bare Locust prints and what the lab reports, against the truth of the golden server.

The truth is that of an open stream, as wrk2 has it: the departure by the golden server's own log less the instant at
which the request was due. Bare Locust is what its documentation offers for a fixed rate: `constant_throughput` users.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.arena import CHILDREN, Arena, MeasureError, last_line, run
from bench.figures import Figure, at_least
from bench.measure_golden import keeps_schedule
from loadlab.analysis.calibration_logs import ARRIVAL_NS, DEPARTURE_NS, quantiles
from loadlab.execute.clock import SystemClock
from loadlab.execute.golden import Golden
from loadlab.model.calibration import Order, Quantiles, Step
from loadlab.pipeline.calibrate import WATCH_MS, open_bench
from loadlab.pipeline.layout import Layout

RATE_RPS = 500
BARE_USERS = 100
"""Five requests a second each, as the user class says."""
PERIOD_S = 20.0
SETTLE_S = 4.0
PERCENTILES = {"p50_s": "50%", "p95_s": "95%", "p99_s": "99%", "p999_s": "99.9%"}
"""Fields of Quantiles, and the columns that Locust prints."""
SHORT = ("p50_s", "p95_s", "p99_s")
"""With --quick: 20 s hold fewer than the 10 000 requests that p99.9 needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """What the golden server does; periods: full and short, of 20 s."""

    name: str
    program: Mapping[str, str]
    answer_s: float
    periods: tuple[int, int]


CASES = (
    _Case(name="lognormal", program={"delay": "lognormal(20ms, 0.5)"}, answer_s=0.02, periods=(3, 1)),
    _Case(name="stalling", program={"delay": "constant(8ms)", "freeze": "2s/20s"}, answer_s=0.008, periods=(3, 1)),
)


def measure_side_by_side(arena: Arena) -> Iterator[Figure]:
    """For each program and percentile, how much nearer to the truth the lab is."""
    for case in CASES:
        measure_s = arena.pick(*case.periods) * PERIOD_S
        arena.say(f"side by side: {case.name}, bare Locust for {measure_s:g} s, then the lab")
        bare, own = _bare(arena, case, measure_s)
        fields = SHORT if arena.quick else tuple(PERCENTILES)
        yield from _nearness(case, bare, own, _ours(arena, case, measure_s), fields)


def _ours(arena: Arena, case: _Case, measure_s: float) -> Step:
    order = Order(
        id=f"bench-side-{case.name}",
        purpose="latency",
        delay_s=case.answer_s,
        users=0,
        measure_s=measure_s,
        settle_s=SETTLE_S,
        rate_rps=RATE_RPS,
        pattern="constant",
    )
    with open_bench(Layout(root=arena.root, runs=arena.folder)) as bench:
        step = bench.measure(order, case.program)
    if step.open is None or step.unmatched or step.failed or step.open.dropped or not keeps_schedule(step.open):
        raise MeasureError(f"side by side, {case.name}: {step.faults[0]}")
    return step


def _bare(arena: Arena, case: _Case, measure_s: float) -> tuple[dict[str, float], Quantiles]:
    """What Locust prints of its run, seconds by column and the requests, and the service times of those by the log."""
    services = arena.root / "services"
    golden = Golden(
        children=arena.children, services=services, folder=arena.folder, cpus=arena.cores.sut, clock=SystemClock()
    )
    url, out = golden.start({"watch_ms": WATCH_MS, **case.program}), arena.folder / f"bare-{case.name}"
    argv = [sys.executable, "-m", "locust", "-f", str(CHILDREN / "paced_user.py"), "--host", url, "--headless"]
    argv += ["--users", str(BARE_USERS), "--spawn-rate", str(10 * BARE_USERS), "--run-time", f"{measure_s:.0f}s"]
    argv += ["--csv", str(out), "--stop-timeout", "10", "--loglevel", "WARNING"]
    core = frozenset({min(arena.cores.rest)})
    done = run(argv, cwd=arena.root, timeout_s=measure_s + 60.0, cpus=core)
    rows = golden.stop()
    if done.returncode:
        raise MeasureError(f"bare Locust: exit code {done.returncode}: {last_line(done.stderr)}")
    own = quantiles((rows[:, DEPARTURE_NS] - rows[:, ARRIVAL_NS]) / 1e9)
    return printed(out.with_name(f"{out.name}_stats.csv").read_text(encoding="utf-8")), own


def printed(text: str) -> dict[str, float]:
    """Locust's own percentiles of all requests, in seconds, and "requests"; out of its _stats.csv."""
    (row,) = (row for row in csv.DictReader(text.splitlines()) if row["Name"] == "Aggregated")
    if int(row["Failure Count"]) or not int(row["Request Count"]):
        raise MeasureError(f"bare Locust: {row['Failure Count']} of {row['Request Count']} requests failed")
    return {
        **{field: float(row[column]) / 1e3 for field, column in PERCENTILES.items()},
        "requests": float(row["Request Count"]),
    }


def _nearness(
    case: _Case, bare: Mapping[str, float], own: Quantiles, ours: Step, fields: Sequence[str]
) -> Iterator[Figure]:
    assert ours.open is not None
    due = RATE_RPS * ours.order.measure_s
    note = f"bare Locust sent {bare['requests'] / due:.1%} of the {due:.0f} requests due, the lab began "
    note += f"{ours.open.started} of {ours.open.planned}"
    doubts = f"; the lab was not truthful: {ours.faults[0]}" if ours.faults else ""
    for field, figure in zip(fields, nearer(case.name, ours.open.truth, ours.open.recorded, bare, fields), strict=True):
        own_s = getattr(own, field)
        sent = "" if own_s is None else f" (service time of those that it sent, by the log: {own_s * 1e3:.4g} ms)"
        value = None if ours.faults else figure.value
        yield replace(figure, value=value, note=f"{figure.note}{sent}; {note}{doubts}")


def nearer(
    name: str, truth: Quantiles, ours: Quantiles, bare: Mapping[str, float], fields: Sequence[str]
) -> Iterator[Figure]:
    """One figure for each of these percentiles: the error of bare Locust less the lab's; absent without a truth."""
    for field in fields:
        column = PERCENTILES[field]
        true_s, ours_s, bare_s = getattr(truth, field), getattr(ours, field), bare[field]
        known = true_s is not None and ours_s is not None
        yield Figure(
            name=f"{name} at {RATE_RPS} req/s, {column}: nearer than bare Locust by",
            value=(abs(bare_s - true_s) - abs(ours_s - true_s)) * 1e3 if known else None,
            unit="ms",
            bar=at_least(0.0),
            how="error of what bare Locust prints less error of what the lab reports, against the golden server's log",
            note=f"truth {true_s * 1e3:.4g} ms, lab {ours_s * 1e3:.4g} ms, bare {bare_s * 1e3:.4g} ms"
            if known
            else "too few requests",
        )
