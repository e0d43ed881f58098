"""Arithmetic on spans of time: arrays of starts and ends in seconds on one clock, ends at or after starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _histogram import Floats

MAX_GAPS = 10_000


def clipped_sum_s(starts_s: Floats, ends_s: Floats, lo_s: float, hi_s: float) -> float:
    """The summed length of the spans (shape n) inside [lo_s, hi_s): the integral of how many are under way."""
    if hi_s <= lo_s:
        return 0.0
    inside = np.minimum(ends_s, hi_s) - np.maximum(starts_s, lo_s)
    return float(inside[inside > 0.0].sum())


def peak_and_gaps(starts_s: Floats, ends_s: Floats, lo_s: float, hi_s: float) -> tuple[int, Floats]:
    """The most spans under way at once inside [lo_s, hi_s) and the stretches (shape g x 2) with none."""
    touching = (starts_s < hi_s) & (ends_s > lo_s)
    if not touching.any():
        return 0, np.array([[lo_s, hi_s]]) if hi_s > lo_s else np.empty((0, 2))
    starts = np.maximum(starts_s[touching], lo_s)
    ends = np.minimum(ends_s[touching], hi_s)
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    begun = np.arange(1, starts.size + 1)
    over = np.searchsorted(np.sort(ends), starts, side="right")
    reach = np.maximum.accumulate(ends[order])
    left = np.concatenate(([lo_s], reach))
    right = np.concatenate((starts, [hi_s]))
    empty = right > left
    return int((begun - over).max()), np.column_stack((left[empty], right[empty]))


@dataclass(slots=True)
class GapList:
    """Idle gaps in order of time, at most ``MAX_GAPS`` of them; the shortest are dropped first.

    ``idle_s`` is the exact sum of all gaps, ``dropped_s`` of those whose place is no longer known.
    """

    gaps: Floats
    idle_s: float = 0.0
    dropped_s: float = 0.0

    @classmethod
    def empty(cls) -> GapList:
        """A list without gaps."""
        return cls(np.empty((0, 2)))

    def append(self, later: Floats) -> None:
        """Add gaps (shape g x 2) that all lie after those known; one that adjoins the last extends it."""
        if not later.size:
            return
        self.idle_s += float((later[:, 1] - later[:, 0]).sum())
        if self.gaps.size and later[0, 0] == self.gaps[-1, 1]:
            self.gaps[-1, 1] = later[0, 1]
            later = later[1:]
        self.gaps = np.concatenate((self.gaps, later))
        if len(self.gaps) > MAX_GAPS:
            self._drop_shortest()

    def _drop_shortest(self) -> None:
        lengths = self.gaps[:, 1] - self.gaps[:, 0]
        kept = np.sort(np.argpartition(lengths, -MAX_GAPS // 2)[-MAX_GAPS // 2 :])
        self.dropped_s += float(lengths.sum() - lengths[kept].sum())
        self.gaps = self.gaps[kept]


def union_active_s(gap_lists: list[Floats], length_s: float) -> float:
    """Time inside [0, length_s) in which at least one of several workers, given by its gaps, was not idle."""
    starts, ends = [], []
    for gaps in gap_lists:
        starts.append(np.concatenate(([0.0], gaps[:, 1])))
        ends.append(np.concatenate((gaps[:, 0], [length_s])))
    if not gap_lists:
        return 0.0
    all_starts, all_ends = np.concatenate(starts), np.concatenate(ends)
    busy = all_ends > all_starts
    _, idle = peak_and_gaps(all_starts[busy], all_ends[busy], 0.0, length_s)
    return length_s - float((idle[:, 1] - idle[:, 0]).sum())
