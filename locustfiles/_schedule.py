"""When the requests of an open load are due: one seeded schedule, of which every worker takes its share.

Times are seconds from the schedule's start. Arrival k is where a process of one arrival per unit has its k-th event,
moved to the clock by the inverse of the cumulated rate (Cinlar 1975, time change of a Poisson process), so that rate
and steps stretch the same draws. Worker r of w takes the arrivals r, r + w, r + 2 w ...: the union over the workers
is the one schedule, whatever w.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from _histogram import Floats

CHUNK = 4096
MAX_FACTOR = 1000.0
"""Of a step. What no machine can send would only keep a worker from ever coming to the end of what was due."""
START_LEAD_S = 0.5
"""A schedule starts so long after its swarm was ordered, when every worker has heard of it."""
SYNTAX = "poisson, constant, steps(1@0s, 3@30s) or constant steps(1@0s, 3@30s)"
_SHAPE = re.compile(r"(?:(poisson|constant)\s*)?(?:steps\(([^()]*)\))?")
_STEP = re.compile(r"\s*(\d+(?:\.\d+)?)\s*@\s*(\d+(?:\.\d+)?)s\s*")

Process = Literal["poisson", "constant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """How arrivals come. steps: (from_s, factor of the rate), ascending from 0 s; the last one goes on for ever."""

    process: Process
    steps: tuple[tuple[float, float], ...] = ((0.0, 1.0),)


def parse_pattern(text: str) -> Pattern:
    """The pattern that a text names. Raises ValueError, whose message is one line."""
    shape = _SHAPE.fullmatch(text.strip())
    if shape is None or not text.strip():
        raise ValueError(f"got {text!r}, expected {SYNTAX}")
    process: Process = "constant" if shape[1] == "constant" else "poisson"
    if shape[2] is None:
        return Pattern(process=process)
    found = [_STEP.fullmatch(step) for step in shape[2].split(",")]
    steps = tuple((float(step[2]), float(step[1])) for step in found if step is not None)
    times = [at_s for at_s, _ in steps]
    factors = sorted(factor for _, factor in steps)
    if len(steps) < len(found) or times[0] != 0 or times != sorted(set(times)):
        raise ValueError(f"got {text!r}, expected {SYNTAX}: times that ascend from 0s")
    if factors[0] <= 0 or factors[-1] > MAX_FACTOR:
        raise ValueError(f"got {text!r}, expected {SYNTAX}: factors above 0 and up to {MAX_FACTOR:g}")
    return Pattern(process=process, steps=steps)


@dataclass(frozen=True, slots=True)
class Share:
    """Some arrivals in order: which they are of all, when they are due (seconds from the start), two draws each.

    draws: shape n x 2, uniform in [0, 1), of a stream of their own; they say what an arrival does.
    """

    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    due_s: Floats
    draws: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """All arrivals of a load. The same fields give the same arrivals, on any machine and for any number of workers."""

    rate_rps: float
    pattern: Pattern
    seed: int

    def share(self, rank: int, workers: int) -> Iterator[Share]:
        """The arrivals of one worker, for ever, in pieces; worker 0 of 1 has them all."""
        units, draws = self._units(), np.random.Generator(np.random.PCG64([self.seed, 1]))
        first = 0
        for unit in units:
            mine = slice((rank - first) % workers, None, workers)
            numbers = np.arange(first, first + CHUNK, dtype=np.int64)[mine]
            yield Share(numbers, self._clock_s(unit[mine]), draws.random((CHUNK, 2))[mine])
            first += CHUNK

    def _units(self) -> Iterator[Floats]:
        """Positions of all arrivals in a process of rate one."""
        if self.pattern.process == "constant":
            first = 0
            while True:
                yield np.arange(first, first + CHUNK, dtype=np.float64)
                first += CHUNK
        drawn, reached = np.random.Generator(np.random.PCG64([self.seed, 0])), 0.0
        while True:
            chunk = reached + np.cumsum(-np.log1p(-drawn.random(CHUNK)))
            reached = float(chunk[-1])
            yield chunk

    def _clock_s(self, units: Floats) -> Floats:
        from_s = np.array([at_s for at_s, _ in self.pattern.steps])
        rates_rps = self.rate_rps * np.array([factor for _, factor in self.pattern.steps])
        reached = np.concatenate(([0.0], np.cumsum(np.diff(from_s) * rates_rps[:-1])))
        step = np.searchsorted(reached, units, side="right") - 1
        due_s: Floats = from_s[step] + (units - reached[step]) / rates_rps[step]
        return due_s


class Ledger:
    """Which arrivals of a share were due so far, read off the schedule and not from whoever sends them."""

    def __init__(self, schedule: Schedule, rank: int, workers: int, start_s: float) -> None:
        self._shares = schedule.share(rank, workers)
        self._start_s = start_s
        self._ahead: Floats = np.empty(0)

    def due_before(self, until_s: float) -> Floats:
        """Those due before an instant and not told yet, on the clock of ``start_s``."""
        while not self._ahead.size or self._ahead[-1] < until_s:
            self._ahead = np.concatenate((self._ahead, self._start_s + next(self._shares).due_s))
        count = int(np.searchsorted(self._ahead, until_s, side="left"))
        told, self._ahead = self._ahead[:count], self._ahead[count:]
        return told


def share_of(cap: int, rank: int, workers: int) -> int:
    """A worker's part of a whole number; the parts add up to it."""
    return math.ceil((cap - rank) / workers) if rank < cap else 0
