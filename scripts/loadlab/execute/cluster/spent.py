"""Processor seconds that are read by asking, without what asking costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Spent:
    """Processor seconds of a stack without what asking for them costs. They never fall unless a process ended."""

    raw_s: float = 0.0
    asking_s: float = 0.0
    without_s: float = 0.0

    def after(self, first_s: float, second_s: float) -> float:
        """Two answers in a row: the second has the cost of one in it, and one more is between two calls."""
        ended = second_s < self.raw_s
        self.asking_s += 2 * max(0.0, second_s - first_s)
        without_s = second_s - self.asking_s
        self.raw_s = second_s
        self.without_s = without_s if ended else max(self.without_s, without_s)
        return self.without_s
