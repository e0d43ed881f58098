"""An exposition that is made up of a bundle's records, as the load generator would have given it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One exposition (`openmetrics.Scraped`)."""

    unix_s: float
    labels: Mapping[str, str]
    text: str


def gauge(registry: CollectorRegistry, name: str, labels: Sequence[str] = ()) -> Gauge:
    """A gauge in that registry."""
    return Gauge(name, f"As the load generator tells it: {name}.", labels, registry=registry)
