"""The gate of a calibrated machine: no window beyond what its load generator was found truthful at."""

from __future__ import annotations

from loadlab.analysis.codes import finding
from loadlab.analysis.gate_bounds import GateBounds
from loadlab.model.calibration import Reach
from loadlab.model.result import Finding
from loadlab.model.run import Window
from loadlab.stats.histogram import Latencies
from loadlab.units import format_count


def beyond_calibration(window: Window, _: Latencies, bounds: GateBounds) -> Finding | None:
    """Rate and requests in flight are within what the generator was found truthful at; nothing without calibration.

    A run whose generator has fewer cores than it was calibrated with is held to its share. Its rate is what it sent, or
    what ended where that is more: a service that falls behind ends less.
    """
    truthful, load = bounds.truthful, window.load
    if truthful is None:
        return None
    share = min(1.0, load.health.cores / truthful.generators)
    begun = load.arrivals.started if load.arrivals else 0
    rate_rps = max(load.ok + load.failed, load.sent, begun) / load.measure_s
    return _beyond(window, _part(truthful.rate_rps, share), rate_rps, "requests a second") or _beyond(
        window, _part(truthful.users, share), load.health.in_flight_max, "requests in flight"
    )


def _part(reach: Reach, share: float) -> Reach:
    return Reach(most=reach.most * share, beyond=None if reach.beyond is None else reach.beyond * share)


def _beyond(window: Window, reach: Reach, got: float, what: str) -> Finding | None:
    """Invalid where calibration found it untruthful further up; not available where it tried no more."""
    if got <= reach.most:
        return None
    return finding(
        "beyond_calibration",
        "not_available" if reach.beyond is None else "invalid",
        window.id,
        got=f"{format_count(got)} {what}",
        expected=f"at most {format_count(reach.most)}",
        next_step="lower the load, give the load generator more cores, or calibrate again at a quieter time",
    )
