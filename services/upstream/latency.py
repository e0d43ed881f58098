"""How long the upstream takes: `constant(200ms)`, `lognormal(200ms, 0.5)`, `steps(50ms@0s, 2s@30s)`."""

from __future__ import annotations

import bisect
import itertools
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

GRAMMAR = "constant(200ms), lognormal(200ms, 0.5) or steps(50ms@0s, 2s@30s)"
MAX_DURATION_S = 3_600.0

_CALL = re.compile(r"([a-z]+)\((.*)\)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)")
_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class LatencyError(ValueError):
    """A latency cannot be understood; the message says what was expected where."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    latency_s: float

    def draw_s(self, elapsed_s: float, rng: random.Random) -> float:  # noqa: ARG002 one signature for all
        """The latency of a request that arrives `elapsed_s` after the schedule's start."""
        return self.latency_s


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal: `median_s * exp(sigma * z)`, z standard normal; its mean is median * exp(sigma^2 / 2)."""

    median_s: float
    sigma: float

    def draw_s(self, elapsed_s: float, rng: random.Random) -> float:  # noqa: ARG002 one signature for all
        """The latency of a request that arrives `elapsed_s` after the schedule's start."""
        return self.median_s * math.exp(self.sigma * rng.gauss(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Steps:
    """Constant from each step's time on; times rise and the first is 0. `latencies_s[i]` holds from `starts_s[i]`."""

    starts_s: tuple[float, ...]
    latencies_s: tuple[float, ...]

    def draw_s(self, elapsed_s: float, rng: random.Random) -> float:  # noqa: ARG002 one signature for all
        """The latency of a request that arrives `elapsed_s` after the schedule's start."""
        return self.latencies_s[bisect.bisect_right(self.starts_s, elapsed_s) - 1]


Latency = Constant | LogNormal | Steps


def parse_latency(text: str) -> Latency:
    """Read a latency.

    Raises:
        LatencyError: the text is not in the grammar, or a duration is longer than an hour.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None or call[1] not in _PARSERS:
        raise LatencyError(GRAMMAR)
    return _PARSERS[call[1]]([part.strip() for part in call[2].split(",")])


def _constant(parts: list[str]) -> Constant:
    if len(parts) != 1:
        raise LatencyError("constant(DURATION), like constant(200ms)")
    return Constant(_duration_s(parts[0]))


def _lognormal(parts: list[str]) -> LogNormal:
    if len(parts) != 2 or not re.fullmatch(r"\d+(\.\d+)?", parts[1]) or float(parts[1]) > 5.0:
        raise LatencyError("lognormal(MEDIAN, SIGMA) with SIGMA from 0 to 5, like lognormal(200ms, 0.5)")
    return LogNormal(_duration_s(parts[0]), float(parts[1]))


def _steps(parts: list[str]) -> Steps:
    pairs = [part.partition("@") for part in parts]
    if not all(at for _, at, _ in pairs):
        raise LatencyError("steps written LATENCY@TIME, like steps(50ms@0s, 2s@30s)")
    starts_s = tuple(_duration_s(start.strip()) for _, _, start in pairs)
    latencies_s = tuple(_duration_s(latency.strip()) for latency, _, _ in pairs)
    is_rising = all(before < after for before, after in itertools.pairwise(starts_s))
    if starts_s[0] != 0.0 or not is_rising:
        raise LatencyError("steps that begin @0s and whose times rise, like steps(50ms@0s, 2s@30s)")
    return Steps(starts_s, latencies_s)


_PARSERS: dict[str, Callable[[list[str]], Latency]] = {"constant": _constant, "lognormal": _lognormal, "steps": _steps}


def _duration_s(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise LatencyError(f"durations like 200ms, 1.5s or 2m where {text!r} is")
    duration_s = float(match[1]) * _UNIT_S[match[2]]
    if duration_s > MAX_DURATION_S:
        raise LatencyError(f"durations up to an hour where {text!r} is")
    return duration_s
