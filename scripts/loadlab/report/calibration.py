"""A calibration as people read it: the answer first, then its steps."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadlab.analysis.calibration_use import IDLE_CORES, KEPT_AWAKE
from loadlab.model.calibration import Calibration, Quantiles, Reach, Step
from loadlab.units import ABSENT, format_count, format_percent, format_ratio, format_s

TITLES = {
    "latency": "latency: truth of the golden server, what a run would report, error of single requests",
    "pace": "rate asked for and delivered, open arrivals evenly spaced",
    "rate": "how many requests a second (20 ms answers to open arrivals)",
    "users": "how many users (1 s answers)",
    "doubling": "one generator, and two with half of the users each",
}


def print_calibration(found: Calibration, console: Console) -> None:
    """All of it."""
    for line in headline(found):
        console.print(escape(line), soft_wrap=True)
    console.print(
        "\nlate: the golden server's departure; of a response time the send, which is the generator's part of it"
    )
    for purpose, title in TITLES.items():
        steps = [step for step in found.steps if step.order.purpose == purpose]
        if steps:
            console.print(f"\n{title}", soft_wrap=True)
            console.print(_table(steps))
    is_awake = found.identity.get(IDLE_CORES) == KEPT_AWAKE
    console.print("\ncores, beside what keeps them awake" if is_awake else "\ncores, left alone")
    console.print(_cores(found))


def headline(found: Calibration) -> Iterator[str]:
    """The answer in a few lines."""
    if found.failures:
        yield f"NOT truthful: {found.failures[0]}"
        for more in found.failures[1:]:
            yield f"  and {more}"
    else:
        yield "calibrated: the load generator is truthful on this machine"
    yield (
        f"  bias        p50 {format_percent(found.bias_p50_ratio, signed=True)}, "
        f"p99 {format_percent(found.bias_p99_ratio, signed=True)} from 10 ms up; "
        f"{format_s(found.small_bias_s)} at most below"
    )
    yield f"  rate        {_reach(found.rate, 'req/s')}"
    yield f"  concurrency {_reach(found.users, 'users')}"
    if found.doubling is not None:
        two = found.doubling
        agrees = "agree with one" if two.agrees else "do NOT agree with one"
        yield (
            f"  doubling    two generators {agrees} at {two.users} users: rate {format_ratio(two.rate_ratio, 3)}, "
            f"p50 {format_ratio(two.p50_ratio, 3)}, p99 {format_ratio(two.p99_ratio, 3)}"
        )
    cores = "core" if found.generator_cores == 1 else "cores"
    yield f"  generator   on {found.generator_cores} {cores}; took {format_s(found.took_s)}"


def _reach(reach: Reach | None, unit: str) -> str:
    if reach is None:
        return "truthful nowhere that was tried"
    beyond = "more was not tried" if reach.beyond is None else f"not at {format_count(reach.beyond)}"
    return f"truthful up to {format_count(reach.most)} {unit}, {beyond}"


def _table(steps: list[Step]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("delay", justify="right", no_wrap=True)
    for heading in ("load", "requests", "asked/s", "delivered/s", "", "truth", "recorded", "error"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("late", "CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for step in steps:
        for row in _rows(step):
            table.add_row(*row)
    return table


def _rows(step: Step) -> Iterator[tuple[str, ...]]:
    """One row for each quantile that the step has; what belongs to the whole step stands in the first."""
    order = step.order
    load = format_count(order.users) if order.rate_rps is None else f"{format_count(order.rate_rps)}/s"
    first = (
        format_s(order.delay_s),
        load + (f"/{order.generators}" if order.generators > 1 else ""),
        format_count(step.requests),
        f"{step.asked_rps:.1f}",
        f"{step.delivered_rps:.1f}",
    )
    word = "ok" if step.truthful else "NOT truthful"
    for number, cells in enumerate(_quantile_rows(step)):
        if number:
            yield (*("",) * len(first), *cells, "", word)
        else:
            yield (*first, *cells, format_percent(step.generator_cpu_ratio), "")


def _quantile_rows(step: Step) -> Iterator[tuple[str, ...]]:
    """Label, truth, recorded, error, late: of service times, and of an open load's response times."""
    yield from _cells("", step.truth, step.recorded, step.errors, step.golden_late)
    if (of_open := step.open) is not None:
        yield from _cells("response ", of_open.truth, of_open.recorded, of_open.errors, of_open.dispatch_lag)


def _cells(label: str, *figures: Quantiles) -> Iterator[tuple[str, ...]]:
    for name in ("p50", "p99", "p999"):
        values_s = [getattr(each, f"{name}_s") for each in figures]
        if name == "p50" or values_s[0] is not None or values_s[1] is not None:
            yield (label + name.replace("p999", "p99.9"), *(format_s(value_s) for value_s in values_s))


def _cores(found: Calibration) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("core", "clock read", "clock step", "paused", "longest pause", "1 ms sleep late p50", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for core in found.cores:
        table.add_row(
            str(core.core),
            format_s(core.clock_read_s),
            format_s(core.clock_step_s),
            format_percent(core.paused_ratio),
            format_s(core.longest_pause_s) if core.longest_pause_s else ABSENT,
            format_s(core.sleep_late_p50_s),
            format_s(core.sleep_late_p99_s),
        )
    return table
