"""One real run of an experiment, and the figures that every such run has."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from bench.arena import Arena, MeasureError, last_line, run
from bench.figures import Figure, at_least

CONCLUSIVE = ("diverges", "diverged_at_first", "no_divergence")
VERDICT_CODES = (0, 3, 4, 5)
KEPT = ("--set", "window.keep_awake=true")


def whole_run(arena: Arena, experiment: str, timeout_s: float, *changes: str) -> tuple[float, Mapping[str, Any]]:
    """Wall time and results of one run. Raises MeasureError when it comes to no verdict."""
    argv = [
        arena.loadlab,
        "run",
        experiment,
        *changes,
        *(KEPT if arena.awake else ()),
        "--json",
        "--runs",
        str(arena.folder / "runs"),
    ]
    began = time.perf_counter()
    done = run(argv, cwd=arena.root, timeout_s=timeout_s)
    took_s = time.perf_counter() - began
    if done.returncode not in VERDICT_CODES:
        raise MeasureError(f"loadlab run {experiment}: exit code {done.returncode}: {last_line(done.stderr)}")
    results: Mapping[str, Any] = json.loads(done.stdout)
    return took_s, results


def typed(experiment: str, results: Mapping[str, Any]) -> str:
    """The command of such a run, as people type it."""
    is_awake = results.get("experiment", {}).get("keep_awake")
    return f"`{' '.join(['loadlab run', experiment, *(KEPT if is_awake else ())])}`"


def answer(results: Mapping[str, Any]) -> str:
    bracket = results["bracket"]
    counts, ends = results["counts"], f"({bracket['lower_users']}, {bracket['upper_users']}]"
    refused = f"{counts['invalid']} of {counts['windows']} windows refused"
    return f"verdict {results['verdict']['kind']}, bracket {ends}; {refused}"


def conclusive(name: str, results: Mapping[str, Any]) -> Figure:
    return Figure(
        name=f"{name}, conclusive",
        value=float(results["verdict"]["kind"] in CONCLUSIVE),
        unit="of 1",
        bar=at_least(1.0),
        how="1 when the verdict of that run is conclusive, on a quiet machine",
        note=str(results["verdict"]["sentence"]),
    )
