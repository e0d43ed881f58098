"""Chart geometry: from values to positions, and where an axis puts its ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOG_FROM_RATIO = 20.0
"""Levels that span more than this are drawn on a logarithmic axis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Maps ``low..high`` of the data to ``start..end`` of the picture, linearly or in the logarithm."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The position of ``value``, clipped to the picture's frame."""
        low, high = self._warp(self.low), self._warp(self.high)
        share = (self._warp(max(value, self.low)) - low) / (high - low)
        return self.start + min(1.0, share) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies inside the axis."""
        return self.low <= value <= self.high

    def _warp(self, value: float) -> float:
        return math.log(value) if self.is_log else value


def users_scale(users: Sequence[float], start: float, end: float) -> Scale:
    """The horizontal axis: the tested levels with a little room at both sides; logarithmic for wide spans."""
    low, high = min(users), max(users)
    if low > 0 and high / low > LOG_FROM_RATIO:
        pad = (high / low) ** 0.04
        return Scale(low=low / pad, high=high * pad, start=start, end=end, is_log=True)
    pad = (high - low) * 0.05 or max(1.0, high * 0.1)
    return Scale(low=max(0.0, low - pad), high=high + pad, start=start, end=end)


def nice_ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """About ``count`` round numbers (steps of 1, 2, 2.5 or 5 times a power of ten) that cover ``low..high``."""
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def tick_decimals(ticks: Sequence[float]) -> int:
    """Decimals that tell neighbouring ticks apart."""
    step = ticks[1] - ticks[0]
    for decimals in range(7):
        if abs(round(step, decimals) - step) < step * 1e-6:
            return decimals
    return 7


def thin_labels(positions: Sequence[float], widths: Sequence[float], gap: float = 6.0) -> tuple[int, ...]:
    """Indices of the labels to draw so that none overlaps; the last one always stays."""
    kept: list[int] = []
    for index in range(len(positions)):
        if not kept or _clear(positions, widths, kept[-1], index, gap):
            kept.append(index)
    last = len(positions) - 1
    while kept and kept[-1] != last and not _clear(positions, widths, kept[-1], last, gap):
        kept.pop()
    return tuple(kept if kept and kept[-1] == last else [*kept, last])


def _clear(positions: Sequence[float], widths: Sequence[float], left: int, right: int, gap: float) -> bool:
    return positions[right] - positions[left] >= (widths[left] + widths[right]) / 2 + gap


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> tuple[float, ...]:
    """Push positions apart to at least ``gap``, keeping their order and, where there is room, ``low..high``."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed: list[float] = []
    for index in order:
        placed.append(max(positions[index], placed[-1] + gap if placed else low))
    limit = high
    for rank in range(len(placed) - 1, -1, -1):
        placed[rank] = min(placed[rank], limit)
        limit = placed[rank] - gap
    result = [0.0] * len(positions)
    for rank, index in enumerate(order):
        result[index] = placed[rank]
    return tuple(result)
