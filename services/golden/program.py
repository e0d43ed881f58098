"""What the golden server is told to do, as arithmetic on whole nanoseconds: delays, freezes and errors.

All times count from the server's start, so that a program and a seed say everything.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

DELAYS = "constant(5ms), bimodal(1ms, 100ms, 0.01), lognormal(20ms, 0.5) or ramp(1ms, 100ms, 30s)"
FREEZES = "LENGTH/PERIOD with the length shorter than the period, like 2s/20s"
NS_PER_S = 1_000_000_000
MAX_DURATION_NS = 3_600 * NS_PER_S

_CALL = re.compile(r"([a-z]+)\((.*)\)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)")
_UNIT_NS = {"us": 1_000, "ms": 1_000_000, "s": NS_PER_S, "m": 60 * NS_PER_S}


class ProgramError(ValueError):
    """A delay or a freeze cannot be understood; the message says what was expected where."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    delay_ns: int

    def draw_ns(self, elapsed_ns: int, rng: random.Random) -> int:  # noqa: ARG002 one signature for all
        """The delay of a request that arrives ``elapsed_ns`` after the start."""
        return self.delay_ns


@dataclass(frozen=True, slots=True)
class Bimodal:
    """Slow with the probability ``slow_ratio``, else fast."""

    fast_ns: int
    slow_ns: int
    slow_ratio: float

    def draw_ns(self, elapsed_ns: int, rng: random.Random) -> int:  # noqa: ARG002 one signature for all
        """The delay of a request that arrives ``elapsed_ns`` after the start."""
        return self.slow_ns if rng.random() < self.slow_ratio else self.fast_ns


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal: ``median * exp(sigma * z)``, z standard normal."""

    median_ns: int
    sigma: float

    def draw_ns(self, elapsed_ns: int, rng: random.Random) -> int:  # noqa: ARG002 one signature for all
        """The delay of a request that arrives ``elapsed_ns`` after the start."""
        return min(MAX_DURATION_NS, round(self.median_ns * math.exp(self.sigma * rng.gauss(0.0, 1.0))))


@dataclass(frozen=True, slots=True)
class Ramp:
    """From one delay to another in a straight line over ``over_ns``, then the latter for ever."""

    from_ns: int
    to_ns: int
    over_ns: int

    def draw_ns(self, elapsed_ns: int, rng: random.Random) -> int:  # noqa: ARG002 one signature for all
        """The delay of a request that arrives ``elapsed_ns`` after the start."""
        gone_ns = min(max(elapsed_ns, 0), self.over_ns)
        return self.from_ns + (self.to_ns - self.from_ns) * gone_ns // self.over_ns


Delay = Constant | Bimodal | LogNormal | Ramp


@dataclass(frozen=True, kw_only=True, slots=True)
class Freeze:
    """Still for ``length_ns`` at the end of every whole period: in [k * every, k * every + length), k = 1, 2, ..."""

    length_ns: int
    every_ns: int

    def thaw_ns(self, elapsed_ns: int) -> int:
        """The first moment from ``elapsed_ns`` on that is in no freeze."""
        periods, into_ns = divmod(elapsed_ns, self.every_ns)
        if periods < 1 or into_ns >= self.length_ns:
            return elapsed_ns
        return elapsed_ns - into_ns + self.length_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """The whole of it. A freeze does what a stopped process does (SIGSTOP).

    What arrives in a freeze is taken up at its end and waits for its delay from there; what falls due in one is
    answered at its end.
    """

    delay: Delay
    freeze: Freeze | None
    error_ratio: float

    def due_ns(self, arrival_ns: int, delay_ns: int) -> int:
        """When a request is to be answered that arrives then and has drawn that delay."""
        if self.freeze is None:
            return arrival_ns + delay_ns
        return self.freeze.thaw_ns(self.freeze.thaw_ns(arrival_ns) + delay_ns)


class Draws:
    """The outcome of the n-th request, which depends on program, seed and n alone (a ramp's also on the time).

    Of n requests in a row ``n * error_ratio`` fail, give or take one.
    """

    def __init__(self, program: Program, seed: int) -> None:
        self._program = program
        self._rng = random.Random(f"golden delay {seed}")
        self._owed = random.Random(f"golden error {seed}").random()

    def next(self, elapsed_ns: int) -> tuple[int, bool]:
        """When the next request, which arrives then, is due, and whether it shall fail."""
        program = self._program
        due_ns = program.due_ns(elapsed_ns, program.delay.draw_ns(elapsed_ns, self._rng))
        self._owed += program.error_ratio
        if self._owed < 1.0:
            return due_ns, False
        self._owed -= 1.0
        return due_ns, True


def parse_delay(text: str) -> Delay:
    """Read a delay.

    Raises:
        ProgramError: the text is not in the grammar.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None or call[1] not in _PARSERS:
        raise ProgramError(DELAYS)
    wanted, build = _PARSERS[call[1]]
    parts = [part.strip() for part in call[2].split(",")]
    if len(parts) != len(wanted):
        raise ProgramError(f"{call[1]}({', '.join(wanted)}), as in {DELAYS}")
    return build(parts)


def parse_freeze(text: str) -> Freeze:
    """Read a freeze, ``LENGTH/PERIOD``.

    Raises:
        ProgramError: the text is not in the grammar.
    """
    length, slash, every = text.strip().partition("/")
    if not slash:
        raise ProgramError(FREEZES)
    freeze = Freeze(length_ns=_duration_ns(length), every_ns=_duration_ns(every))
    if freeze.length_ns >= freeze.every_ns:
        raise ProgramError(FREEZES)
    return freeze


def _duration_ns(text: str) -> int:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ProgramError(f"durations like 200us, 1.5s or 2m where {text!r} is")
    duration_ns = round(float(match[1]) * _UNIT_NS[match[2]])
    if duration_ns > MAX_DURATION_NS:
        raise ProgramError(f"durations up to an hour where {text!r} is")
    return duration_ns


def _number(text: str, most: float) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) > most:
        raise ProgramError(f"a number from 0 to {most:g} where {text!r} is")
    return float(text)


def _ramp(parts: list[str]) -> Ramp:
    ramp = Ramp(*(_duration_ns(part) for part in parts))
    if ramp.over_ns == 0:
        raise ProgramError("a ramp that takes some time, like ramp(1ms, 100ms, 30s)")
    return ramp


_PARSERS: dict[str, tuple[tuple[str, ...], Callable[[list[str]], Delay]]] = {
    "constant": (("DURATION",), lambda p: Constant(_duration_ns(p[0]))),
    "bimodal": (
        ("FAST", "SLOW", "SLOW_RATIO"),
        lambda p: Bimodal(_duration_ns(p[0]), _duration_ns(p[1]), _number(p[2], 1.0)),
    ),
    "lognormal": (("MEDIAN", "SIGMA"), lambda p: LogNormal(_duration_ns(p[0]), _number(p[1], 5.0))),
    "ramp": (("FROM", "TO", "OVER"), _ramp),
}
