"""What a chart shows, as data: series of points with intervals, and the marks a threshold needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantity = Literal["usd", "s", "bytes", "rps", "ratio", "count"]
Tone = Literal["one", "two", "measured", "predicted", "worker"]

_TIME = ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs"))
_SIZE = ((2.0**30, 2.0**-30, "GiB"), (2.0**20, 2.0**-20, "MiB"), (0.0, 2.0**-10, "KiB"))
_FIXED = {"usd": "US$", "rps": "req/s", "ratio": "ratio", "count": ""}


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One estimate at a number of users; ``text`` is what a reader gets on pointing at it."""

    users: float
    value: float
    text: str = ""
    lower: float | None = None
    upper: float | None = None
    doubtful: bool = False
    """Drawn hollow: the level is invalid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Points that belong together; ``label`` stands at the end of the line (empty: none)."""

    label: str
    tone: Tone
    points: tuple[Point, ...]
    dashed: bool = False
    markers: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """A horizontal line to read the series against, such as the margin."""

    value: float
    label: str
    strong: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """The threshold on the axis of users: the bracket shaded, the prediction and the claim as lines."""

    lower_users: float | None = None
    upper_users: float | None = None
    bracket_label: str = ""
    predicted_users: float | None = None
    predicted_label: str = ""
    claimed_users: float | None = None
    claimed_label: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One picture. ``users`` are the tested levels, which become the ticks; ``key`` is unique in a report."""

    key: str
    title: str
    description: str
    quantity: Quantity
    users: tuple[float, ...]
    series: tuple[Series, ...]
    marks: Marks
    levels: tuple[Level, ...] = ()
    from_zero: bool = True
    subtitle: str = ""
    """Whose prices: a smaller line under the title."""
    absent: str | None = None
    """Why there is nothing to draw; None where there is."""
    axis: str = "concurrent users"
    """What the levels are."""


def axis_unit(quantity: Quantity, top: float) -> tuple[float, str]:
    """Factor and name of the unit in which an axis that reaches to ``top`` (s, bytes, ...) is written."""
    steps = {"s": _TIME, "bytes": _SIZE}.get(quantity)
    if steps is None:
        return 1.0, _FIXED[quantity]
    return next((factor, name) for least, factor, name in steps if top >= least)
