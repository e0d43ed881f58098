"""A bundle of ten million requests: the engine's memory, the analysis, the report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_most
from bench.self_contained import foreign_parts

FEW, MANY = 100_000, 10_000_000
MB = 1e6
BUILD_TIMEOUT_S = 300.0
REPORT_TIMEOUT_S = 60.0


def measure_bundle(arena: Arena) -> Iterator[Figure]:
    """Engine memory at both sizes, then analysis and report of the larger bundle."""
    seen = {}
    for requests in (FEW, MANY):
        arena.say(f"engine: a whole simulated run of {requests:,} requests")
        folder = arena.folder / f"requests-{requests}"
        seen[requests] = arena.ask_child("engine.py", str(requests), str(folder), timeout_s=BUILD_TIMEOUT_S)
    yield _memory(seen[FEW], seen[MANY])
    bundle = arena.folder / f"requests-{MANY}"
    what = f"{seen[MANY]['requests']:,} requests in {seen[MANY]['windows']} windows"
    yield from _analysis(arena, bundle, what)
    yield from _report(bundle / "report.html")


def _memory(few: dict[str, Any], many: dict[str, Any]) -> Figure:
    if few["windows"] != many["windows"]:
        raise MeasureError(f"the two runs differ in windows: {few['windows']} and {many['windows']}")
    peaks = " and ".join(f"{seen['peak_bytes'] / MB:.1f} MB at {seen['requests']:,}" for seen in (few, many))
    return Figure(
        name="engine memory, 10^7 over 10^5 requests",
        value=many["peak_bytes"] / few["peak_bytes"],
        unit="ratio",
        bar=at_most(1.1),
        how=f"peak memory (VmHWM) of the pipeline over {many['windows']} simulated windows, analysis and report "
        "included, a process each",
        note=f"{peaks}; {many['base_bytes'] / MB:.1f} MB once imported",
    )


def _analysis(arena: Arena, bundle: Path, what: str) -> Iterator[Figure]:
    repeats = arena.pick(7, 3)
    arena.say(f"analysis: {repeats} times")
    walls_s, insides = [], []
    for _ in range(repeats):
        walls_s.append(_wall_s(arena, bundle))
        insides.append(arena.ask_child("loadlab_peak.py", *_report_arguments(bundle), timeout_s=REPORT_TIMEOUT_S))
    work_s = [seen["work_s"] for seen in insides]
    peaks = [seen["peak_bytes"] / MB for seen in insides]
    yield Figure(
        name="analysis of 10^7 requests",
        value=median(walls_s),
        lower=min(walls_s),
        upper=max(walls_s),
        unit="s",
        bar=at_most(2.0),
        how=f"`loadlab report RUN --analyse`, {what}: wall time of the whole command, {repeats} times, median",
        note=f"of it {median(work_s):.2f} s after interpreter start and imports",
    )
    yield Figure(
        name="analysis of 10^7 requests, peak memory",
        value=max(peaks),
        lower=min(peaks),
        upper=max(peaks),
        unit="MB",
        bar=at_most(500.0),
        how="VmHWM of the same command, largest of all repeats",
    )


def _report_arguments(bundle: Path) -> list[str]:
    return ["report", str(bundle), "--analyse"]


def _wall_s(arena: Arena, bundle: Path) -> float:
    began = time.perf_counter()
    argv = [arena.loadlab, *_report_arguments(bundle)]
    done = run(argv, cwd=arena.folder, timeout_s=REPORT_TIMEOUT_S)
    took_s = time.perf_counter() - began
    if done.returncode:
        raise MeasureError(f"loadlab report: exit code {done.returncode}: {last_line(done.stderr)}")
    return took_s


def _report(html: Path) -> Iterator[Figure]:
    text = html.read_text(encoding="utf-8")
    foreign = foreign_parts(text)
    yield Figure(
        name="report.html size",
        value=html.stat().st_size / MB,
        unit="MB",
        bar=at_most(2.0),
        how="report.html of that run: 14 levels x 8 blocks, two stacks",
    )
    yield Figure(
        name="report.html scripts and outside loads",
        value=float(len(foreign)),
        unit="found",
        bar=at_most(0.0),
        how="script elements, event handlers, and everything a browser would fetch: without any, nothing delays the "
        "first paint",
        note="; ".join(foreign[:3]),
    )
