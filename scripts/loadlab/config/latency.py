"""The grammar of an upstream's latency, checked here so that a slip shows before anything starts.

``constant(200ms)``, ``lognormal(200ms, 0.5)`` (median, sigma of the logarithm) or ``steps(50ms@0s, 2s@30s)``
(latency from a time since the trial's start on; times ascend from 0s). ``services/upstream`` reads the same grammar,
and a test holds the two together: the engine never imports a service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

EXPECTED = "constant(200ms), lognormal(200ms, 0.5) or steps(50ms@0s, 2s@30s)"
MAX_DURATION_S = 3_600.0
MAX_SIGMA = 5.0

_CALL = re.compile(r"([a-z]+)\((.*)\)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)")
_SIGMA = re.compile(r"\d+(\.\d+)?")
_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def check_latency(text: str) -> str:
    """The text without blanks around it; ``ValueError`` where it breaks the grammar, saying what was expected."""
    match = _CALL.fullmatch(text.strip())
    check = _CHECKS.get(match.group(1)) if match else None
    if match is None or check is None:
        raise ValueError(f"expected {EXPECTED}")
    check([part.strip() for part in match.group(2).split(",")])
    return text.strip()


def _check_constant(parts: Sequence[str]) -> None:
    if len(parts) != 1:
        raise ValueError("expected one latency, such as constant(200ms)")
    _duration_s(parts[0])


def _check_lognormal(parts: Sequence[str]) -> None:
    if len(parts) != 2 or not _SIGMA.fullmatch(parts[1]) or float(parts[1]) > MAX_SIGMA:
        raise ValueError(f"expected a median and a sigma from 0 to {MAX_SIGMA:g}, such as lognormal(200ms, 0.5)")
    _duration_s(parts[0])


def _check_steps(parts: Sequence[str]) -> None:
    expected = "expected latencies from ascending times that begin at 0s, such as steps(50ms@0s, 2s@30s)"
    starts_s = []
    for part in parts:
        latency, at, start = part.partition("@")
        if not at:
            raise ValueError(expected)
        _duration_s(latency.strip())
        starts_s.append(_duration_s(start.strip()))
    if starts_s[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts_s)):
        raise ValueError(expected)


def _duration_s(text: str) -> float:
    match = _DURATION.fullmatch(text)
    seconds = float(match.group(1)) * _UNIT_S[match.group(2)] if match else None
    if seconds is None or seconds > MAX_DURATION_S:
        raise ValueError(f"expected durations up to an hour, such as 200ms, 1.5s or 2m, where {text!r} stands")
    return seconds


_CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "constant": _check_constant,
    "lognormal": _check_lognormal,
    "steps": _check_steps,
}
