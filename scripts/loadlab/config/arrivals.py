"""How the arrivals of an open load come: the texts that locustfiles/_schedule.py reads, which tests hold together."""

from __future__ import annotations

import re

_EXPECTED = "expected poisson, constant, steps(1@0s, 3@30s) or constant steps(1@0s, 3@30s)"
MAX_FACTOR = 1000.0
_STEPS_EXPECTED = f"{_EXPECTED}: factors of the rate above 0 and up to {MAX_FACTOR:g}, times that ascend from 0s"
_SHAPE = re.compile(r"(?:(poisson|constant)\s*)?(?:steps\(([^()]*)\))?")
_STEP = re.compile(r"\s*(\d+(?:\.\d+)?)\s*@\s*(\d+(?:\.\d+)?)s\s*")


def check_arrivals(value: str) -> str:
    """The text without blanks around it. Raises ValueError that says what is expected."""
    wanted = value.strip()
    shape = _SHAPE.fullmatch(wanted)
    if not wanted or shape is None:
        raise ValueError(_EXPECTED)
    if shape[2] is not None:
        _check_steps(shape[2])
    return wanted


def largest_factor(arrivals: str) -> float:
    """By how much the rate is multiplied at most, of a text that was checked."""
    return max((float(factor) for factor, _ in _STEP.findall(arrivals)), default=1.0)


def step_times_s(arrivals: str) -> tuple[float, ...]:
    """When the steps of the rate begin, ascending, of a text that was checked; none where the rate stays."""
    return tuple(float(at_s) for _, at_s in _STEP.findall(arrivals))


def _check_steps(inner: str) -> None:
    found = [_STEP.fullmatch(step) for step in inner.split(",")]
    times = [float(step[2]) for step in found if step]
    factors = [float(step[1]) for step in found if step]
    if len(times) < len(found) or times[0] != 0 or times != sorted(set(times)):
        raise ValueError(_STEPS_EXPECTED)
    if not 0 < min(factors) <= max(factors) <= MAX_FACTOR:
        raise ValueError(_STEPS_EXPECTED)
