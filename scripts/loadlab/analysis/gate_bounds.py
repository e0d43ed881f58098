"""What the gates hold a window to: bounds for a quiet two-core machine; a calibration adds how far it is truthful."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.calibration import TruthfulRange


@dataclass(frozen=True, kw_only=True, slots=True)
class GateBounds:
    """What a window must keep to be believed."""

    lag_p99_s: float = 0.005
    lag_p99_of_measured_ratio: float = 0.05
    """The lag's p99 may reach this share of the measured p99 where that is more than lag_p99_s."""
    lag_p50_s: float = 0.001
    idle_cpu_cores: float = 0.01
    prometheus_every_s: float | None = None
    """How often the lab's own Prometheus scrapes both stacks, which the idle one may spend beside that; None: never."""
    schedule_ratio: float = 0.02
    started_ratio: float = 0.99
    """Of the arrivals that an open load plans in a window, so many are begun in it."""
    dispatch_lag_s: float = 0.005
    dispatch_lag_of_measured_ratio: float = 0.05
    """The dispatch lag's p99 may reach this share of the measured p99 where that is more than dispatch_lag_s."""
    dispatch_lag_p50_s: float = 0.001
    generator_cpu_ratio: float = 0.70
    steal_ratio: float = 0.01
    half_count_ratio: float = 0.10
    half_latency_ratio: float = 0.25
    half_sigmas: float = 4.0
    truthful: TruthfulRange | None = None
    """What `loadlab calibrate` found for this machine; None: not calibrated, nothing is judged by it."""
