"""Windows into figures: each window by itself, then each stack at each level over its blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from loadlab.analysis.arrivals import of_level, of_window, over
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.pairing import Pair, resolve
from loadlab.analysis.replicas import holds
from loadlab.analysis.resources import window_resources
from loadlab.analysis.stages import stages
from loadlab.analysis.validity import DEFAULT_BOUNDS, is_valid, window_findings
from loadlab.model.experiment import Experiment, Objective
from loadlab.model.result import Finding, LevelSummary, WindowSummary
from loadlab.model.run import RunData, Window
from loadlab.stats.histogram import Latencies, decode, merge


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A run with every window summarised and judged. findings and latencies: of single windows, by window id."""

    windows: tuple[WindowSummary, ...]
    pairs: tuple[Pair, ...]
    findings: Mapping[str, tuple[Finding, ...]]
    latencies: Mapping[str, Latencies]


def judge(run: RunData, experiment: Experiment, bounds: GateBounds = DEFAULT_BOUNDS) -> Judged:
    """Summarise and judge every window of a run, and find out which of them count.

    Raises BundleError when a latency histogram cannot be read.
    """
    findings: dict[str, tuple[Finding, ...]] = {}
    latencies: dict[str, Latencies] = {}
    drafts: list[WindowSummary] = []
    for window in run.windows:
        seen = latencies[window.id] = decode(window.load.histogram, f"windows/{window.id}.hdr", window.load.ok)
        findings[window.id] = window_findings(window, experiment, bounds, seen)
        drafts.append(_summary(window, experiment.objective, findings[window.id], seen))
    valid = {draft.id for draft in drafts if draft.valid}
    names = [stack.name for stack in experiment.stacks]
    pairs = tuple(p for number, part in stages(run) for p in resolve(part, valid, names, number))
    used = {i for pair in pairs if pair.kind == "sweep" for i in pair.ids or ()}
    return Judged(
        windows=tuple(replace(draft, used=draft.id in used) for draft in drafts),
        pairs=pairs,
        findings=findings,
        latencies=latencies,
    )


def summarise_window(window: Window, experiment: Experiment, bounds: GateBounds = DEFAULT_BOUNDS) -> WindowSummary:
    """One window by itself, judged; which of its run's windows count is not known yet.

    Raises BundleError when its histogram cannot be read.
    """
    seen = decode(window.load.histogram, f"windows/{window.id}.hdr", window.load.ok)
    return _summary(window, experiment.objective, window_findings(window, experiment, bounds, seen), seen)


def level_summaries(judged: Judged, experiment: Experiment) -> tuple[LevelSummary, ...]:
    """Each stack at each level over the windows that count; a level without any is left out."""
    used = [window for window in judged.windows if window.used]
    levels = sorted({window.users for window in used})
    found = []
    for users in levels:
        for stack in experiment.stacks:
            mine = [w for w in used if w.users == users and w.stack == stack.name]
            if mine:
                pooled = merge(judged.latencies[w.id] for w in mine)
                found.append(_level(mine, experiment.objective, pooled))
    return tuple(found)


def _summary(window: Window, goal: Objective, findings: Sequence[Finding], seen: Latencies) -> WindowSummary:
    load, health, ended = window.load, window.load.health, window.load.ok + window.load.failed
    resources = window_resources(window)
    return WindowSummary(
        id=window.id,
        block=window.block,
        stack=window.stack,
        users=window.users,
        role=window.role,
        valid=is_valid(findings),
        used=False,
        reasons=tuple(dict.fromkeys(f.code for f in findings if f.level == "invalid")),
        not_available=tuple(dict.fromkeys(f.code for f in findings if f.level == "not_available")),
        measure_s=load.measure_s,
        sent=load.sent,
        ok=load.ok,
        failed=load.failed,
        good=load.good,
        p50_s=seen.p50_s,
        p95_s=seen.p95_s,
        p99_s=seen.p99_s,
        mean_s=seen.mean_s,
        throughput_rps=ended / load.measure_s,
        goodput_rps=load.good / load.measure_s,
        cpu_s_per_request=resources.cpu_s_per_request,
        cpu_cores=resources.cpu_cores,
        pss_bytes=resources.pss_bytes,
        rss_bytes=resources.rss_bytes,
        in_flight_mean=resources.in_flight_mean,
        slots_busy_by_worker=resources.slots_busy_by_worker,
        connections_by_worker=resources.connections_by_worker,
        loop_lag_mean_s=resources.loop_lag_mean_s,
        generator_lag_p99_s=health.lag_p99_s,
        generator_cpu_ratio=health.cpu_cores / health.cores,
        steal_ratio=health.steal_ratio,
        idle_cpu_cores=window.idle_cpu_cores,
        objective_held=holds(load.good, ended, goal),
        outcomes=load.outcomes,
        **of_window(load.arrivals),
    )


def _level(windows: Sequence[WindowSummary], objective: Objective, pooled: Latencies) -> LevelSummary:
    lags = [w.loop_lag_mean_s for w in windows if w.loop_lag_mean_s is not None]
    return LevelSummary(
        stack=windows[0].stack,
        users=windows[0].users,
        blocks=len(windows),
        goodput_rps=over(windows, lambda w: w.goodput_rps),
        throughput_rps=over(windows, lambda w: w.throughput_rps),
        p50_s=over(windows, lambda w: w.p50_s),
        p95_s=over(windows, lambda w: w.p95_s),
        p99_s=over(windows, lambda w: w.p99_s),
        cpu_s_per_request=over(windows, lambda w: w.cpu_s_per_request),
        cpu_cores=over(windows, lambda w: w.cpu_cores),
        pss_bytes=over(windows, lambda w: w.pss_bytes),
        slots_busy_by_worker=_by_rank([w.slots_busy_by_worker for w in windows]),
        connections_by_worker=_by_rank([w.connections_by_worker for w in windows]),
        loop_lag_mean_s=fmean(lags) if lags else None,
        objective_held=holds(sum(w.good for w in windows), sum(w.ok + w.failed for w in windows), objective),
        p99_pooled_s=pooled.p99_s,
        pooled_requests=pooled.total,
        **of_level(windows),
    )


def _by_rank(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Mean of the largest, of the second largest, ...: process ids differ between blocks, ranks do not."""
    deepest = max((len(row) for row in rows), default=0)
    return tuple(fmean(row[rank] for row in rows if len(row) > rank) for rank in range(deepest))
