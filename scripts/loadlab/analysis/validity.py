"""Which windows are believed. A failed gate makes its window invalid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from loadlab.analysis import gates
from loadlab.analysis.codes import GATE_CODES, GateCode, finding
from loadlab.analysis.dispatch_gate import dispatch_lag
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.analysis.gates import Gate
from loadlab.analysis.truthful_gate import beyond_calibration
from loadlab.errors import PROGRAM
from loadlab.model.experiment import ClosedLoad, CommandService, Experiment, OurService, UrlService
from loadlab.model.result import Finding
from loadlab.model.run import Provenance, Window
from loadlab.stats.histogram import Latencies, decode

DEFAULT_BOUNDS = GateBounds()
CLUSTER_SCRAPES_EVERY_S = 5.0
"""As k8s/base/prometheus/prometheus.yml has it for both stacks."""
_ALWAYS: tuple[Gate, ...] = (
    gates.lag,
    gates.generator_cpu,
    gates.throttled,
    gates.steal,
    gates.conservation,
    gates.partial,
    gates.workers,
    gates.empty,
    gates.note,
    beyond_calibration,
)


def bounds_of(provenance: Provenance) -> GateBounds:
    """The bounds of a run: the stated ones, what its machine was calibrated for, and who else scrapes its stacks."""
    every_s = CLUSTER_SCRAPES_EVERY_S if provenance.target == "kubernetes" else None
    return replace(DEFAULT_BOUNDS, truthful=provenance.truthful, prometheus_every_s=every_s)


def window_findings(
    window: Window,
    experiment: Experiment,
    bounds: GateBounds = DEFAULT_BOUNDS,
    latencies: Latencies | None = None,
) -> tuple[Finding, ...]:
    """Judge one window by every gate that applies to the experiment.

    Level "invalid": a gate failed. Level "not_available": it could not be judged. ``latencies``: the window's
    decoded histogram, where the caller has it. Raises BundleError when the histogram cannot be read.
    """
    seen = decode(window.load.histogram) if latencies is None else latencies
    idle = (gates.idle_stack,) if len(experiment.stacks) > 1 else ()
    told = (gates.resources,) if _tells(window, experiment) else ()
    judged = (gate(window, seen, bounds) for gate in (*_ALWAYS, *_of_load(experiment), *idle, *told))
    return tuple(found for found in judged if found is not None)


def _of_load(experiment: Experiment) -> tuple[Gate, ...]:
    """Gates that ask for users, or for arrivals. Where the upstream's latency steps, the halves of a window differ."""
    load, upstream = experiment.load, experiment.upstream
    is_even = upstream is None or not upstream.is_stepped
    if isinstance(load, ClosedLoad):
        return (gates.halves_disagree, gates.closed_schedule) if is_even else (gates.closed_schedule,)
    halves = gates.planned_halves if "steps" in load.arrivals else gates.open_halves
    others = (gates.open_schedule, dispatch_lag)
    return (halves, *others) if is_even else others


def _tells(window: Window, experiment: Experiment) -> bool:
    """Whether its service has figures to tell: it did at least once in this window, or is asked to."""
    if any(sample.is_told for sample in window.resources):
        return True
    service = next((stack.service for stack in experiment.stacks if stack.name == window.stack), None)
    match service:
        case OurService(settings=settings):
            return settings.get("metrics") != "off"
        case CommandService(metrics_url=url) | UrlService(metrics_url=url):
            return url is not None
    return False


def is_valid(findings: Iterable[Finding]) -> bool:
    """Whether no gate failed; a gate that could not be judged does not count against a window."""
    return all(found.level != "invalid" for found in findings)


def unjudged(findings: Sequence[Finding], windows: int) -> tuple[Finding, ...]:
    """One finding per gate that could not be judged, instead of one per window."""
    counted = Counter(found.code for found in findings if found.level == "not_available")
    return tuple(_unjudged(code, counted[code], windows) for code in GATE_CODES if counted[code])


def _unjudged(code: GateCode, count: int, windows: int) -> Finding:
    return finding(
        code,
        "not_available",
        "run",
        got=f"not judged in {count} of {windows} windows",
        expected="judged in every window",
        next_step=f"{PROGRAM} doctor says what this machine cannot tell",
    )
