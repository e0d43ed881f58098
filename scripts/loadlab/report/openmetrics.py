"""A past session as OpenMetrics with time stamps, for ``promtool tsdb create-blocks-from openmetrics``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Sample


class Scraped(Protocol):
    """One exposition with its time and the labels of its target."""

    @property
    def unix_s(self) -> float:
        """Seconds since 1970."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the target; one that a series has itself is kept as Prometheus keeps it, as exported_NAME."""

    @property
    def text(self) -> str:
        """Prometheus text format."""


class _Session(Collector):
    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}

    def add(self, scrape: Scraped) -> None:
        for family in text_string_to_metric_families(scrape.text):
            metric = self.metrics.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                labels = _together(sample.labels, scrape.labels)
                metric.samples.append(Sample(sample.name, labels, sample.value, scrape.unix_s))

    def collect(self) -> Iterator[Metric]:
        for name in sorted(self.metrics):
            metric = self.metrics[name]
            metric.samples.sort(key=_place)
            yield metric


def _place(sample: Sample) -> tuple[list[tuple[str, str]], str, float]:
    without_bound = sorted((name, value) for name, value in sample.labels.items() if name != "le")
    return without_bound, sample.name + sample.labels.get("le", ""), float(sample.timestamp or 0.0)


def _together(own: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """As Prometheus merges them with honor_labels off: the target's label wins, the series' own is kept aside.

    A generator says itself which stack a count belongs to, and no target label of that name is given for it.
    """
    moved = {
        f"exported_{name}" if name in target and value != target[name] else name: value for name, value in own.items()
    }
    return {**moved, **target}


def openmetrics(scrapes: Iterable[Scraped]) -> bytes:
    """All samples of all scrapes, each with its time; series by series, in order of time, ended by ``# EOF``.

    An exposition that does not parse is left out: it was no sample when it was read, either.
    """
    session = _Session()
    for scrape in scrapes:
        try:
            session.add(scrape)
        except ValueError:
            continue
    registry = CollectorRegistry(auto_describe=False)
    registry.register(session)
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text
