"""A past session as OpenMetrics with time stamps, for ``promtool tsdb create-blocks-from openmetrics``."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

PARTS = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
    "gauge": ("",),
}
"""Endings of the samples of each type; a type that is not here is written as unknown."""
CREATED = "_created"
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)\s*(\S+)')
"""Name with labels, and the value. What may follow is not kept: a time, as the lab's targets give none; an exemplar."""
QUOTED_NAME = "{"
"""How a line begins whose name is none of the text format's; promtool would refuse the session for it."""
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = Mapping[str, str]
Pairs = tuple[tuple[str, str], ...]


class Scraped(Protocol):
    """One exposition with its time and the labels of its target."""

    @property
    def unix_s(self) -> float:
        """Seconds since 1970."""

    @property
    def labels(self) -> Labels:
        """Labels of the target; one that a series has itself is kept as Prometheus keeps it, as exported_NAME."""

    @property
    def text(self) -> str:
        """Prometheus text format."""


@dataclass(slots=True)
class _Series:
    """name: of its samples. points: values as they were written, by milliseconds since 1970."""

    name: str
    labels: Labels
    points: dict[int, str] = field(default_factory=dict)

    @property
    def metric(self) -> Pairs:
        """The labels that it shares with the other parts of a histogram or summary."""
        apart = ("le", "quantile")
        return tuple(sorted((name, value) for name, value in self.labels.items() if name not in apart))

    @property
    def place(self) -> tuple[str, float, str]:
        """Within its metric: buckets by their bounds, then count and sum. A service may name a quantile p99."""
        bound = self.labels.get("le", self.labels.get("quantile", ""))
        try:
            return self.name, float(bound), ""
        except ValueError:
            return self.name, 0.0, bound

    def text(self) -> str:
        """Name and labels as they are written."""
        inside = ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{inside}}}" if inside else self.name


@dataclass(slots=True)
class _Family:
    kind: str
    meaning: str
    series: dict[str, _Series] = field(default_factory=dict)

    def lines(self, name: str) -> Iterator[str]:
        """Its head, then metric by metric and in each of them moment by moment, as OpenMetrics wants it."""
        if self.meaning:
            yield f"# HELP {name} {self.meaning}\n"
        yield f"# TYPE {name} {self.kind}\n"
        metrics: dict[Pairs, list[_Series]] = {}
        for series in self.series.values():
            metrics.setdefault(series.metric, []).append(series)
        for metric in sorted(metrics):
            parts = sorted(metrics[metric], key=lambda one: one.place)
            texts = [part.text() for part in parts]
            for at_ms in sorted({at_ms for part in parts for at_ms in part.points}):
                for text, part in zip(texts, parts, strict=True):
                    if at_ms in part.points:
                        yield f"{text} {part.points[at_ms]} {at_ms / 1000:.3f}\n"


class _Session:
    """Families by name. What a line's name and labels become is worked out once for each target."""

    def __init__(self) -> None:
        self.families: dict[str, _Family] = {}
        self._home: dict[str, str] = {}
        self._meanings: dict[str, str] = {}
        self._known: dict[tuple[Pairs, str], _Series] = {}

    def add(self, scrape: Scraped) -> None:
        """Put the samples of one exposition in. Raises ValueError for a line that is none; those before it are in."""
        target, at_ms = tuple(sorted(scrape.labels.items())), round(scrape.unix_s * 1000)
        for line in scrape.text.splitlines():
            if line.startswith("#"):
                self._note(line.split(maxsplit=3))
            elif line.strip() and not line.startswith(QUOTED_NAME):
                key, value = _parted(line)
                series = self._known.get((target, key))
                if series is None:
                    series = self._known[target, key] = self._series(key, scrape.labels)
                series.points[at_ms] = sys.intern(value)

    def _note(self, words: Sequence[str]) -> None:
        match words:
            case ["#", "HELP", name, meaning]:
                self._meanings[name] = meaning
            case ["#", "TYPE", name, kind]:
                self._declare(name, kind)

    def _declare(self, name: str, kind: str) -> None:
        base = name.removesuffix("_total") if kind == "counter" else name
        if name.removesuffix(CREATED) in self.families and name.endswith(CREATED):
            return
        if kind == "counter" and base == name:
            kind = "unknown"
        self.families.setdefault(base, _Family(kind if kind in PARTS else "unknown", self._meanings.get(name, "")))
        self._home |= {base + ending: base for ending in PARTS.get(kind, ("",))}

    def _series(self, key: str, target: Labels) -> _Series:
        (parsed,) = text_string_to_metric_families(f"{key} 0\n")
        sample = parsed.samples[0]
        series = _Series(sample.name, together(sample.labels, target))
        family = self._home.get(sample.name, sample.name)
        known = self.families.setdefault(family, _Family("unknown", "")).series
        return known.setdefault(series.text(), series)


def together(own: Labels, target: Labels) -> Labels:
    """As Prometheus merges them with honor_labels off: the target's label wins, the series' own is kept aside.

    A generator says itself which stack a count belongs to, and no target label of that name is given for it.
    """
    moved = {
        f"exported_{name}" if name in target and value != target[name] else name: value for name, value in own.items()
    }
    return {**moved, **target}


def openmetrics(scrapes: Iterable[Scraped]) -> Iterator[str]:
    """All samples of all scrapes, line by line, each with its time, ended by ``# EOF``.

    What comes after a line that does not parse is left out of an exposition: it was cut off when it was read.
    """
    session = _Session()
    for scrape in scrapes:
        with contextlib.suppress(ValueError):
            session.add(scrape)
    for name in sorted(session.families):
        if session.families[name].series:
            yield from session.families[name].lines(name)
    yield "# EOF\n"


def _parted(line: str) -> tuple[str, str]:
    """Name with labels, and the value."""
    found = SAMPLE.match(line)
    if found is None:
        raise ValueError(f"{line!r} is no sample")
    key, value = found.groups()
    float(value)
    return key.rstrip(), value
