"""The charts of load, latency, resources and what explains them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadlab.report.arrivals import is_open, latency_field
from loadlab.report.charts import Chart, Level, Point, Quantity, Series
from loadlab.report.curves import TONES, Show, by_stack, marks_of, point_at, spoken, tested_users
from loadlab.report.results import Results
from loadlab.report.words import NO_CPU, NO_ESTIMATE, NO_P99, NO_POOLED_P99, NO_PSS, no_slots
from loadlab.units import format_bytes, format_cores, format_rps, format_s


def load_charts(results: Results) -> Iterable[Chart]:
    """Rates, memory and latencies against users."""
    yield from _rate_charts(results)
    yield _level_chart(results, "pss_bytes", "Peak memory (sum of PSS)", "bytes", format_bytes, NO_PSS)
    for field, title in (("p50_s", "Latency, p50"), ("p95_s", "Latency, p95")):
        key = latency_field(results, field)
        chart = _level_chart(results, key, title, "s", format_s, NO_ESTIMATE, _objective(results))
        yield replace(chart, subtitle="; ".join(part for part in ("closed loop", chart.subtitle) if part))
    yield _response_chart(results) if is_open(results) else _pooled_chart(results)


def _response_chart(results: Results) -> Chart:
    """p99 from the intended start, as the other two of an open load."""
    chart = _level_chart(results, "response_p99_s", "Latency, p99", "s", format_s, NO_P99, _objective(results))
    return replace(chart, subtitle="; ".join(part for part in ("open loop", chart.subtitle) if part))


def _pooled_chart(results: Results) -> Chart:
    """p99 of all windows of a level together: those of a short plan hold too few requests each."""
    series = by_stack(results, results["levels"], _pooled_point)
    subtitle = "closed loop; all windows of a level pooled, so without an interval"
    chart = _chart(results, "p99-pooled", "Latency, p99", "s", series, NO_POOLED_P99)
    return replace(
        chart,
        description=f"Latency, p99 of all windows of a level together, against concurrent users. {spoken(series)}",
        subtitle=subtitle if len(series) == len(results["stacks"]) else f"{subtitle}; {NO_POOLED_P99}",
        levels=_within(_objective(results), series),
    )


def _chart(
    results: Results, key: str, title: str, quantity: Quantity, series: tuple[Series, ...], reason: str
) -> Chart:
    """A chart against users with the marks of the bracket; ``reason`` says why it would be empty."""
    return Chart(
        key=key.replace("_", "-"),
        title=title,
        description=f"{title}, against concurrent users. {spoken(series)}",
        quantity=quantity,
        users=tested_users(results),
        series=series,
        marks=marks_of(results, results["bracket"]),
        absent=_absent(results, series, reason),
    )


def _pooled_point(row: Results) -> Point | None:
    value = row["p99_pooled_s"]
    return None if value is None else point_at(row, value, None, None, format_s)


def _within(level: Level | None, series: tuple[Series, ...]) -> tuple[Level, ...]:
    """A limit that is worth drawing: a strong one, or one that the figures come near to."""
    top = max((point.upper or point.value for line in series for point in line.points), default=0.0)
    return (level,) if level is not None and (level.strong or level.value <= 1.5 * top) else ()


def _rate_charts(results: Results) -> Iterable[Chart]:
    good = _level_chart(results, "goodput_rps", "Good requests per second", "rps", format_rps, NO_ESTIMATE)
    same = all(row["goodput_rps"] == row["throughput_rps"] for row in results["levels"])
    yield replace(good, subtitle="every answered request was good") if same and good.series else good
    if not same:
        yield _level_chart(results, "throughput_rps", "Answered requests per second", "rps", format_rps, NO_ESTIMATE)


def _objective(results: Results) -> Level:
    return Level(value=results["experiment"]["objective_latency_s"], label="objective")


def _level_chart(
    results: Results, field: str, title: str, quantity: Quantity, show: Show, reason: str, level: Level | None = None
) -> Chart:
    def make(row: Results) -> Point | None:
        figure = row[field]
        if figure is None or figure["value"] is None:
            return None
        return point_at(row, figure["value"], *_ends(figure["interval"]), show)

    series = by_stack(results, results["levels"], make)
    shown = sum(len(line.points) for line in series)
    return replace(
        _chart(results, field, title, quantity, series, reason),
        subtitle=reason if 0 < shown < len(results["levels"]) else "",
        levels=_within(level, series),
    )


def _ends(interval: Results | None) -> tuple[float | None, float | None]:
    """Both ends of an interval, or none."""
    if interval is None or None in (interval["lower"], interval["upper"]):
        return None, None
    return interval["lower"], interval["upper"]


def _absent(results: Results, series: tuple[Series, ...], reason: str) -> str | None:
    """Why a chart has no data: no window counts at all, or else the reason of this figure."""
    if series:
        return None
    return reason if results["levels"] else NO_ESTIMATE


def cause_charts(results: Results) -> tuple[Chart, ...]:
    """What fills up, and what follows: busy slots, processor and waiting first, then connections and loop lag."""
    return tuple(_cause_charts(results))


def _cause_charts(results: Results) -> Iterable[Chart]:
    stacks = range(len(results["stacks"]))
    yield from (_slots_chart(results, index) for index in stacks)
    yield _level_chart(results, "cpu_cores", "Processor cores in use", "count", format_cores, NO_CPU, _given(results))
    yield replace(
        _level_chart(results, "p50_s", "Median response time", "s", format_s, NO_ESTIMATE, _objective(results)),
        key="waiting",
        subtitle="closed loop",
    )
    for index in stacks:
        title = f"{results['stacks'][index]['name']}: open connections per worker"
        yield _worker_chart(results, index, "connections_by_worker", title, "not exported", ())
    yield _level_chart(results, "cpu_s_per_request", "Processor time per request", "s", format_s, NO_CPU)
    yield _lag_chart(results)


def _slots_chart(results: Results, index: int) -> Chart:
    stack = results["stacks"][index]
    limit = stack["slots_per_worker"]
    levels = (Level(value=limit, label=f"{limit} slots", strong=True),) if limit is not None else ()
    reason = no_slots(stack) if limit is None else "not exported"
    return _worker_chart(
        results, index, "slots_busy_by_worker", f"{stack['name']}: busy slots per worker", reason, levels
    )


def _given(results: Results) -> Level | None:
    limit = next((one["cores_limit"] for one in results["explanation"]), None)
    return None if limit is None else Level(value=limit, label=f"{limit:g} given", strong=True)


def _lag_chart(results: Results) -> Chart:
    lag = by_stack(results, results["levels"], _lag_point)
    return _chart(results, "loop-lag", "Event loop lag, mean", "s", lag, "no stack exports it")


def _lag_point(row: Results) -> Point | None:
    value = row["loop_lag_mean_s"]
    return None if value is None else point_at(row, value, None, None, format_s)


def _worker_chart(
    results: Results, index: int, field: str, title: str, reason: str, levels: tuple[Level, ...]
) -> Chart:
    name = results["stacks"][index]["name"]
    rows = sorted((row for row in results["levels"] if row["stack"] == name), key=lambda row: row["users"])
    ranks = max((len(row[field]) for row in rows), default=0)
    series = tuple(
        Series(
            label=_rank_label(rank, ranks),
            tone=TONES[index % 2] if rank == 0 else "worker",
            points=tuple(_worker_point(row, field, rank) for row in rows if len(row[field]) > rank),
        )
        for rank in range(ranks)
    )
    return replace(_chart(results, f"{field}-{index}", title, "count", series, reason), levels=levels)


def _rank_label(rank: int, ranks: int) -> str:
    if ranks == 1:
        return "only worker"
    return {0: "busiest", ranks - 1: "least busy"}.get(rank, "")


def _worker_point(row: Results, field: str, rank: int) -> Point:
    value = row[field][rank]
    text = f"worker {rank + 1} of {len(row[field])} at {row['users']} users: {value:.1f}"
    return Point(users=row["users"], value=value, text=text)
