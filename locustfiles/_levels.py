"""What the engine says of each level, as text for Prometheus.

There may be thousands of series, they change once a window, and they are asked for at every scrape, also while a window
is open: they are rendered when they are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

BILLED_LABELS = ("stack", "users", "list", "billing", "unit")
LEVEL = {
    "windows": ("windows", "Windows of the level that count so far, one in each block."),
    "left_out": ("windows_left_out", "Windows of the level that do not: refused by a gate, or one of a pair that was."),
    "users": ("users", "Users of the level, as a number."),
    "seconds": ("seconds", "Length of the windows that count, added up, as is all that follows."),
    "ok": ("ok_requests", "Requests answered as expected."),
    "failed": ("failed_requests", "Requests that failed."),
    "good": ("good_requests", "Requests answered as expected within the objective."),
    "active_s": ("active_seconds", "Time with at least one request in flight."),
    "response_s": ("response_seconds", "Response times."),
}


class Levels(Collector):
    """text: the exposition of what was told last."""

    def __init__(self) -> None:
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self.text = generate_latest(self._registry)

    def tell(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Render them, where they are others than before."""
        if rows != self._rows:
            self._rows = rows
            self.text = generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """A figure that the engine does not say has no sample."""
        for key, (unit, meaning) in LEVEL.items():
            family = GaugeMetricFamily(f"loadlab_level_{unit}", meaning, labels=("stack", "users"))
            for row in self._rows:
                if key in row:
                    family.add_metric((row["stack"], f"{row['users']:.0f}"), float(row[key]))
            yield family
        amounts = GaugeMetricFamily(
            "loadlab_level_billed", "What a price list bills for it, in the unit of its price.", labels=BILLED_LABELS
        )
        for row in self._rows:
            for one in row.get("billed", ()):
                place = (row["stack"], f"{row['users']:.0f}", one["list"], one["billing"], one["unit"])
                amounts.add_metric(place, float(one["amount"]))
        yield amounts
